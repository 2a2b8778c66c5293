// The scans of the reader table (see ReaderRow in datasets/track.h), and what they share.
#pragma once

#include <string>
#include <vector>

#include "datasets/track.h"

namespace stemsmith {

// ROOT/{train,valid,test}/<song>/<stem>.<any audio>, or ROOT/<song>/…
std::vector<Track> ScanFolders(const ReaderOptions& options);
// ROOT/{train,test}/<song>.stem.mp4
std::vector<Track> ScanMusdb18(const ReaderOptions& options);
// ROOT/{train,test}/<song>/{mixture,drums,bass,other,vocals}.wav
std::vector<Track> ScanMusdb18Hq(const ReaderOptions& options);
// ROOT/{train,validation,test}/TrackNNNNN/{metadata.yaml,mix.flac,stems/SNN.flac}
std::vector<Track> ScanSlakh(const ReaderOptions& options);
// ROOT/[train|valid|test/]<stem>/<take>.<any audio>
std::vector<Track> ScanStemPools(const ReaderOptions& options);
// A table with a column per stem and a row per song.
std::vector<Track> ScanCsv(const ReaderOptions& options);

// Entries of a folder by name; hidden ones left out. Throws Error when it cannot be listed. What a
// link in circles points to is no folder and no file, and so is passed over by the callers.
std::vector<std::filesystem::path> Entries(const std::filesystem::path& folder);
bool IsFolder(const std::filesystem::path& path);
bool IsFile(const std::filesystem::path& path);
// A file with an ending that OpenAudio is likely to read.
bool IsAudioFile(const std::filesystem::path& path);
// Sets the track's name; one that is not UTF-8 is a problem of the track.
void SetName(const std::string& bytes, Track& track);
// The 14 songs of MUSDB18's training part that are usually kept for validation.
bool IsMusdbValidationSong(const std::string& name);

// `mixture` and `mix` in any case are never stems.
bool IsMixtureName(const std::string& name);
// The text, with bytes that are not UTF-8 written as \xHH; `changed` tells that there were some.
std::string AsUtf8(const std::string& bytes, bool* changed);
// Throws Error when `root` is no folder.
void RequireFolder(const std::filesystem::path& root);
// "train", "valid" or "test" for these words and for "validation"; "" for others.
std::string SplitOf(const std::string& word);
// Applies ReaderOptions::splits, or else valid_fraction, to songs that carry the dataset's own
// split. Songs that the list does not name are left out with a warning; throws Error for a list
// that names songs that are not there, or a song twice, and for a share beside a split of the
// dataset's own.
void AssignSplits(const ReaderOptions& options, std::vector<Track>& tracks);
// Moves songs of the split "train" to "valid" as ReaderOptions::valid_fraction says. At least one
// is moved when there are two or more.
void SplitOffValidation(const ReaderOptions& options, std::vector<Track>& tracks);
// Sorts by split and name, and marks every later song of a name as a problem.
void SortAndMarkDuplicates(std::vector<Track>& tracks);

}  // namespace stemsmith
