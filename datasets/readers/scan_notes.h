// What a scan of a dataset finds and does not use. Nothing is left out without a word: each kind of
// thing is counted and named once.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace stemsmith {

enum class Unused {
  kBesideSplits,   // folders with audio beside folders that are splits
  kDeeperFolders,  // folders with audio where the layout has no song
  kInnerFolders,   // folders with audio inside of songs and pools
  kLooseAudio,     // audio files that lie in no song
  kOtherAudio,     // audio files in a song that are no stem of the layout
  kUnknownFiles,   // neither audio by their ending nor what usually lies beside audio
  kOmittedSongs,   // SLAKH's folder for what `redux` leaves out
  kUnlistedSongs,  // songs that the list of splits does not name
  kColumns,        // columns of a table that name no files
};

struct UnusedThings {
  Unused kind;
  std::vector<std::string> names;  // all, UTF-8; files and folders relative to the dataset's
  std::string what, advice;        // "2 columns … are passed over: …": the first few by name
};

class ScanNotes {
 public:
  explicit ScanNotes(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void Add(Unused kind, const std::filesystem::path& path);  // of a file or folder
  void AddName(Unused kind, const std::string& name);
  void Clear() { names_.clear(); }
  // In the order of Unused; of each, names sorted.
  std::vector<UnusedThings> List() const;

 private:
  std::filesystem::path folder_;
  std::map<Unused, std::vector<std::string>> names_;
};

}  // namespace stemsmith
