// A file that is gone from its folder, and lives as long as it is open: nothing is left of it,
// whatever ends the process.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "core/error.h"

namespace stemsmith {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using NamelessFile = std::unique_ptr<std::FILE, CloseFile>;

// Made as `path`, which must be free. Throws Error, with `problem`, where it cannot be made.
inline NamelessFile OpenNamelessFile(const std::filesystem::path& path,
                                     const std::string& problem) {
  NamelessFile file(std::fopen(path.c_str(), "w+bx"));
  if (!file) throw Error::Write(problem, path.string());
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return file;
}

}  // namespace stemsmith
