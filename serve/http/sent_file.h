// A file that is an answer, opened for as long as it is sent.
#pragma once

#include <cstdint>
#include <filesystem>

namespace stemsmith {

struct SentFile {
  // Throws HttpError 404 where it is gone or no file, Error where it cannot be opened.
  explicit SentFile(const std::filesystem::path& path);
  ~SentFile();
  SentFile(const SentFile&) = delete;
  SentFile& operator=(const SentFile&) = delete;

  int descriptor = -1;
  std::int64_t size = 0;
};

}  // namespace stemsmith
