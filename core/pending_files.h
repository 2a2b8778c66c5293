// Files that appear whole or not at all: written under temporary names, flushed, renamed.
//
// A temporary name is hidden and says which process made it (`.NAME.tmp-HOST-PID-START-N.EXT`).
// What a killed process left is removed by the next one of the same host that writes into the
// folder.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace stemsmith {

// A name in the same folder (so that rename is atomic) for what is to become `target`.
std::filesystem::path TemporaryBeside(const std::filesystem::path& target);
// Removes what processes that are gone have left in the folder. TemporaryBeside does so by itself,
// once for each folder that it is called for.
void RemoveLeftovers(const std::filesystem::path& folder);

// Throws Error when something other than a file has the name `target`: a folder, a pipe, a device.
void CheckTarget(const std::filesystem::path& target);

// Throws Error::Usage when one of `targets` is one of the files that are read, by its name or
// another (links); for the time before long work.
void CheckAreNoSources(const std::vector<std::filesystem::path>& targets,
                       const std::vector<std::filesystem::path>& sources);

// Renames finished files (from, to) on one file system, in this order. All targets are looked at
// first; when one fails all the same, those before it are put back. Throws Error.
void MoveIntoPlace(
    const std::vector<std::pair<std::filesystem::path, std::filesystem::path>>& moves);

// One file. Commit() flushes to disk and renames; a scope left without Commit() removes the
// temporary file.
class PendingFile {
 public:
  // Throws Error when the folder cannot be written or no file can have this name. Creates missing
  // parent folders.
  explicit PendingFile(std::filesystem::path target);
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  const std::filesystem::path& path() const { return temporary_; }
  const std::filesystem::path& target() const { return target_; }
  void Commit();

 private:
  std::filesystem::path target_, temporary_;
  bool committed_ = false;
};

// Makes the folder (and parents) and tries that a file can be created in it. Throws Error.
void EnsureWritableFolder(const std::filesystem::path& folder);

// A folder for results, which an error may keep from coming: of the folder and its parents, those
// that were made go again where the scope ends and nothing is in them.
class ResultFolder {
 public:
  // As EnsureWritableFolder. Throws Error.
  explicit ResultFolder(const std::filesystem::path& folder);
  ~ResultFolder();
  ResultFolder(const ResultFolder&) = delete;
  ResultFolder& operator=(const ResultFolder&) = delete;

 private:
  std::vector<std::filesystem::path> made_;  // the innermost first
};

// Files that belong together and are written under their final names, so that they find each other,
// in a hidden folder. Commit() flushes all to disk and puts all or none in their place: older files
// of the same names are replaced, others stay. A scope left without Commit() removes the folder.
class PendingFolder {
 public:
  // The hidden folder lies in `target`, which is made with its parents. With `beside`, a folder
  // that is there, it lies in that one (where both are on one file system), and a `target` that is
  // not there yet appears with all its files at once. Throws Error when it cannot be written.
  explicit PendingFolder(std::filesystem::path target, const std::filesystem::path& beside = {});
  ~PendingFolder();
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;
  const std::filesystem::path& folder() const { return temporary_; }
  // Where to write the file `name` ("a", "b/a"). Throws Error when it can have no such file.
  std::filesystem::path Add(const std::string& name);
  void Commit();

 private:
  std::filesystem::path target_, temporary_;
  std::vector<std::string> names_;
};

// A folder that one process at a time works on. The lock is on the folder itself: it leaves no
// file, and a killed process leaves no lock.
class FolderLock {
 public:
  // Throws Error::Usage, saying `busy` and `advice`, while another process holds it.
  FolderLock(const std::filesystem::path& folder, const std::string& busy,
             const std::string& advice);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  // False when the folder was removed, moved or replaced by another.
  bool StillThere() const;

 private:
  std::filesystem::path folder_;
  int number_;
};

}  // namespace stemsmith
