// The files of serve/page/ and of the libraries that it uses, built in (serve/CMakeLists.txt).
#pragma once

#include <span>
#include <string_view>

namespace stemsmith::page_files {

struct File {
  std::string_view name, text;
};
// The first is index.html.
std::span<const File> Files();

}  // namespace stemsmith::page_files
