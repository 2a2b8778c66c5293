// Files that appear whole or not at all, and a few file helpers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace stemsmith {

// A temporary path beside the target (same folder, so that rename is atomic). Commit() flushes to
// disk and renames; a scope left without Commit() removes the temporary file.
class PendingFile {
 public:
  // Throws Error when the folder cannot be written. Creates missing parent folders.
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

// Files that belong together and are written under their final names, so that they find each other,
// in a hidden folder beside their targets. Commit() flushes all to disk and renames them in the
// order in which they were added; a scope left without Commit() removes the folder.
class PendingFolder {
 public:
  // Throws Error when `target` cannot be written. Creates missing parent folders.
  explicit PendingFolder(std::filesystem::path target);
  ~PendingFolder();
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;
  const std::filesystem::path& folder() const { return temporary_; }
  std::filesystem::path Add(const std::string& name);  // where to write the file `name`
  void Commit();

 private:
  std::filesystem::path target_, temporary_;
  std::vector<std::string> names_;
};

// Writes the bytes to a PendingFile and commits.
void WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes);
// The whole file. Throws Error when it is missing or unreadable.
std::string ReadFile(const std::filesystem::path& path);
// Makes the folder (and parents) and tries that a file can be created in it. Throws Error.
void EnsureWritableFolder(const std::filesystem::path& folder);

// XXH3 of 64 bits (xxhash.com, 0.8); for fingerprints, not for security.
std::uint64_t HashBytes(std::string_view bytes, std::uint64_t seed = 0);
// The hash of a file's content, read in blocks.
std::uint64_t HashFile(const std::filesystem::path& path);
std::string HexHash(std::uint64_t hash);

// The folder of the running program (/proc/self/exe); modules lie in ../lib beside it.
std::filesystem::path ProgramFolder();

}  // namespace stemsmith
