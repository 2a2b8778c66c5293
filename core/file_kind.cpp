#include "core/file_kind.h"

#include "core/error.h"

namespace stemsmith {
namespace fs = std::filesystem;

std::string KindOfFile(const fs::path& path) {
  std::error_code ignored;
  switch (fs::status(path, ignored).type()) {
    case fs::file_type::fifo:
      return "pipe";
    case fs::file_type::socket:
      return "socket";
    case fs::file_type::character:
    case fs::file_type::block:
      return "device";
    case fs::file_type::directory:
      return "folder";
    default:
      return "";
  }
}

void CheckIsFile(const fs::path& path) {
  const std::string kind = KindOfFile(path);
  if (kind.empty()) return;
  throw Error::Input("this is a " + kind + ", not a file", path.string(),
                     kind == "folder" ? "" : "save what comes from it as a file first");
}

}  // namespace stemsmith
