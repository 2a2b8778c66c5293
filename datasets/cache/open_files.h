// Files that are read in pieces from many threads: those used last stay open. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

namespace stemsmith {

class OpenFile {
 public:
  // Throws Error.
  explicit OpenFile(const std::filesystem::path& path);
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  // Fills `out` with the bytes from `place` on. Gives what went wrong, or "".
  std::string ReadAt(std::uint64_t place, std::span<char> out) const;
  // Another number, but never 0, after each change to the file (its size and times say so).
  std::uint32_t Version() const;

 private:
  int number_ = -1;
};

class OpenFiles {
 public:
  // The file of this number, opened where it is not. A file that falls out closes when its last
  // reader is done with it. Throws Error.
  std::shared_ptr<const OpenFile> Get(std::size_t number, const std::filesystem::path& path);

 private:
  using Entry = std::pair<std::size_t, std::shared_ptr<const OpenFile>>;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last comes first
  std::unordered_map<std::size_t, std::list<Entry>::iterator> places_;
};

}  // namespace stemsmith
