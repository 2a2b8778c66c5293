// A file that is written in place and remembers its first failure, which libraries that write
// through it may pass over. Private to audio/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

namespace stemsmith {

class OutputFile {
 public:
  // Opens a file that is there; Check() speaks of `shown`. Throws Error.
  OutputFile(const std::filesystem::path& path, const std::filesystem::path& shown);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  bool Write(const void* bytes, std::size_t count);
  std::int64_t Seek(std::int64_t offset, int whence);
  std::int64_t Read(void* out, std::size_t count);
  // Bytes that stand at this place, and of which who writes and seeks does not know.
  void Insert(std::int64_t at, std::string bytes);
  void Close();
  // Throws Error where anything has failed so far.
  void Check() const;

 private:
  bool Put(const void* bytes, std::size_t count);

  std::string shown_;
  int failure_ = 0;
  std::int64_t insert_at_ = 0;
  std::string insert_;  // until it is written
  std::int64_t inserted_ = 0;
  int file_;
};

}  // namespace stemsmith
