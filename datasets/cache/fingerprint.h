// What is remembered of a source file, to tell later whether it is still the same: size and time
// first, the hash of the content when the time alone differs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "core/json_fields.h"

namespace stemsmith {

struct SourceFile {
  std::string path;           // relative to the dataset's root where it lies below it
  std::uint64_t size = 0;     // bytes
  std::int64_t mtime_ns = 0;  // since the Unix epoch
  std::string hash;           // of the content, hexadecimal

  nlohmann::json ToJson() const;
  static SourceFile FromJson(const JsonFields& fields);
};

enum class SourceState {
  kSame,
  kTouched,
  kChanged,
  kAbsent
};  // kTouched: other time, equal content

// Looks at the file now, its content included. Throws Error when it cannot be read.
SourceFile FingerprintSource(const std::filesystem::path& root, const std::filesystem::path& path);
// Compares a remembered source with the file on disk. Reads the content only when size is equal and
// time is not; `mtime_ns_now` (may be null) is then set to the new time.
SourceState CompareSource(const std::filesystem::path& root, const SourceFile& source,
                          std::int64_t* mtime_ns_now = nullptr);

}  // namespace stemsmith
