// Files that appear whole or not at all, and a few file helpers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

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

// Writes the bytes to a PendingFile and commits.
void WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes);
// The whole file. Throws Error when it is missing or unreadable.
std::string ReadFile(const std::filesystem::path& path);
// Makes the folder (and parents) and tries that a file can be created in it. Throws Error.
void EnsureWritableFolder(const std::filesystem::path& folder);

// 64-bit hash of bytes (FNV-1a over 8-byte words, mixed); for fingerprints, not for security.
std::uint64_t HashBytes(std::string_view bytes, std::uint64_t seed = 0);
// The hash of a file's content, read in blocks.
std::uint64_t HashFile(const std::filesystem::path& path);
std::string HexHash(std::uint64_t hash);

// The folder of the running program (/proc/self/exe); modules lie in ../lib beside it.
std::filesystem::path ProgramFolder();

}  // namespace stemsmith
