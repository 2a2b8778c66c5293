#include "core/copy_file.h"

#include <cerrno>
#include <fstream>
#include <vector>

#include "core/error.h"
#include "core/file_kind.h"

namespace stemsmith {

void CopyFile(const std::filesystem::path& from, const std::filesystem::path& to) {
  CheckIsFile(from);
  errno = 0;
  std::ifstream in(from, std::ios::binary);
  if (!in) throw Error::System("cannot open the file", from.string(), "check its permissions");
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  if (!out) throw Error::Write("cannot write", to.string());
  std::vector<char> block(1 << 20);
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())), in.gcount() > 0) {
    errno = 0;
    out.write(block.data(), in.gcount());
    out.flush();
    if (!out) throw Error::Write("cannot write", to.string());
    errno = 0;
  }
  if (in.bad()) throw Error::System("cannot read the file", from.string());
  errno = 0;
  out.close();
  if (!out) throw Error::Write("cannot write", to.string());
}

}  // namespace stemsmith
