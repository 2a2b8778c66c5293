// The scans of the reader table (see ReaderRow in datasets/track.h), and what they share.
#pragma once

#include <string>
#include <vector>

#include "datasets/track.h"

namespace stemsmith {

// ROOT/{train,valid,test}/<song>/<stem>.<any audio>, or ROOT/<song>/…
std::vector<Track> ScanFolders(const ReaderOptions& options);

// `mixture` and `mix` in any case are never stems.
bool IsMixtureName(const std::string& name);
// The text, with bytes that are not UTF-8 written as \xHH; `changed` tells that there were some.
std::string AsUtf8(const std::string& bytes, bool* changed);
// Throws Error when `root` is no folder.
void RequireFolder(const std::filesystem::path& root);
// Moves songs of the split "train" to "valid" as ReaderOptions::valid_fraction says. At least one
// is moved when there are two or more.
void SplitOffValidation(const ReaderOptions& options, std::vector<Track>& tracks);
// Sorts by split and name, and marks every later song of a name as a problem.
void SortAndMarkDuplicates(std::vector<Track>& tracks);

}  // namespace stemsmith
