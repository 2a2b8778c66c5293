// What a synth run left behind, to compare runs byte by byte.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "core/files.h"

namespace stemsmith {

// Every file below a folder with its hash, the state file left out.
inline std::map<std::string, std::uint64_t> FilesBelow(const std::filesystem::path& out) {
  std::map<std::string, std::uint64_t> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(out)) {
    if (entry.is_regular_file() && entry.path().filename() != "synth.json")
      files[std::filesystem::relative(entry.path(), out).string()] = HashFile(entry.path());
  }
  return files;
}

}  // namespace stemsmith
