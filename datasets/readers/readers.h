// The scans of the reader table (see ReaderRow in datasets/readers/track.h), and what they share.
#pragma once

#include <string>
#include <vector>

#include "core/utf8.h"
#include "datasets/readers/track.h"

namespace stemsmith {

// ROOT/{train,valid,test}/<song>/<stem>.<any audio>, or ROOT/<song>/…
std::vector<Track> ScanFolders(const ReaderOptions& options, ScanNotes& notes);
// ROOT/{train,test}/<song>.stem.mp4 (or .stem.m4a)
std::vector<Track> ScanMusdb18(const ReaderOptions& options, ScanNotes& notes);
// ROOT/{train,test}/<song>/{mixture,drums,bass,other,vocals}.wav
std::vector<Track> ScanMusdb18Hq(const ReaderOptions& options, ScanNotes& notes);
// ROOT/{train,validation,test}/TrackNNNNN/{metadata.yaml,mix.flac,stems/SNN.flac}
std::vector<Track> ScanSlakh(const ReaderOptions& options, ScanNotes& notes);
// ROOT/[<provider>/]<id>/{data.json,<stem>/<id>.wav}
std::vector<Track> ScanMoisesDb(const ReaderOptions& options, ScanNotes& notes);
// ROOT/[Audio/]<song>/{<song>_MIX.wav,<song>_STEMS/<song>_STEM_NN.wav}, <song>_METADATA.yaml
std::vector<Track> ScanMedleyDb(const ReaderOptions& options, ScanNotes& notes);
// ROOT/[train|valid|test/]<stem>/<take>.<any audio>
std::vector<Track> ScanStemPools(const ReaderOptions& options, ScanNotes& notes);
// A table with a column per stem and a row per song.
std::vector<Track> ScanCsv(const ReaderOptions& options, ScanNotes& notes);

// Entries of a folder by name; hidden ones left out. Throws Error when it cannot be listed. What a
// link in circles points to is no folder and no file, and so is passed over by the callers.
std::vector<std::filesystem::path> Entries(const std::filesystem::path& folder);
bool IsFolder(const std::filesystem::path& path);
bool IsFile(const std::filesystem::path& path);
// A file with an ending that OpenAudio is likely to read.
bool IsAudioFile(const std::filesystem::path& path);
// A file that is no audio by its ending: notes it, unless it is what usually lies beside audio.
void NoteUnknownFile(const std::filesystem::path& path, ScanNotes& notes);
// Notes `folder` where audio lies in it, else the folders below it where some does (not too deep).
void NoteFoldersWithAudio(Unused kind, const std::filesystem::path& folder, ScanNotes& notes);
// The same of the folders in `song`, but not of itself.
void NoteInnerFolders(const std::filesystem::path& song, ScanNotes& notes);

struct SplitFolder {
  std::filesystem::path path;
  std::string split;  // "train", "valid", "test"
};
// The folders in `root` whose names mean a split (SplitOf).
std::vector<SplitFolder> AllSplitFolders(const std::filesystem::path& root);
// The same where splits are optional: a folder that holds more audio files than folders with audio
// is no split but a song (or a pool) of that name.
std::vector<SplitFolder> SplitFolders(const std::filesystem::path& root);
// Notes what lies in `root` beside the splits.
void NoteBesideSplits(const std::filesystem::path& root, const std::vector<SplitFolder>& splits,
                      ScanNotes& notes);
// The folders that `is_song` accepts in `root` or one level below it, where the folder between may
// name their split; they are for training elsewhere. Notes what else holds audio.
std::vector<SplitFolder> SongFolders(const std::filesystem::path& root,
                                     bool (*is_song)(const std::filesystem::path& folder),
                                     ScanNotes& notes);
// Notes files in `folder` that are neither a source of the song nor its mixture.
void NoteOtherFiles(const std::filesystem::path& folder, const Track& track, ScanNotes& notes);
// A song's metadata name files that lie in a folder of the song: throws Error at `where` for a name
// that leads out of it ("../x.wav", "/x.wav"), and for an empty one.
void CheckIsFileName(const std::string& name, const std::string& where);
// "no songs found", with what was looked for and what was seen instead.
Error NothingFound(const std::string& what, const std::filesystem::path& root,
                   const std::string& expected, const ScanNotes& notes);
// .stem.mp4 and .stem.m4a, in any case.
bool IsStemFile(const std::filesystem::path& path);
// Sets the track's name; one that is not UTF-8 is a problem of the track.
void SetName(const std::string& bytes, Track& track);
// The 14 songs of MUSDB18's training part that are usually kept for validation.
bool IsMusdbValidationSong(const std::string& name);

// `mixture` and `mix` in any case are never stems.
bool IsMixtureName(const std::string& name);
// Throws Error when `root` is no folder.
void RequireFolder(const std::filesystem::path& root);
// "train", "valid" or "test" for these words and other usual ones ("training", "val", "dev",
// "eval" …), in any case; "" for others.
std::string SplitOf(const std::string& word);
// Applies ReaderOptions::splits, or else valid_fraction, to songs that carry the dataset's own
// split. Songs that the list does not name are left out and noted; throws Error for a list that
// names songs that are not there, or a song twice, and for a share beside a split of the dataset's
// own.
void AssignSplits(const ReaderOptions& options, std::vector<Track>& tracks, ScanNotes& notes);
// Moves songs of the split "train" to "valid" as ReaderOptions::valid_fraction says. At least one
// is moved when there are two or more.
void SplitOffValidation(const ReaderOptions& options, std::vector<Track>& tracks);
// Sorts by split and name, and marks every later song of a name as a problem.
void SortAndMarkDuplicates(std::vector<Track>& tracks);

}  // namespace stemsmith
