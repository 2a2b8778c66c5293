#include "core/files.h"

#include <fcntl.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cerrno>
#include <fstream>
#include <vector>

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

void WriteFileAtomically(const fs::path& path, std::string_view bytes) {
  PendingFile pending(path);
  {
    std::ofstream out(pending.path(), std::ios::binary | std::ios::trunc);
    errno = 0;
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) throw Error::Write("cannot write", path.string());
  }
  pending.Commit();
}

std::string ReadFile(const fs::path& path) {
  CheckIsFile(path);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error::System("cannot open the file", path.string(), "check the path");
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) throw Error::System("cannot read the file", path.string());
  return bytes;
}

void EnsureWritableFolder(const fs::path& folder) {
#ifdef O_TMPFILE
  // A file without a name, where the file system knows such: nothing stays even of a killed run.
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  const int file = open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (file >= 0) {
    close(file);
    return;
  }
#endif
  PendingFile probe(folder / "write-test");  // created, then removed uncommitted
}

std::uint64_t HashBytes(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t HashFile(const fs::path& path) {
  CheckIsFile(path);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error::System("cannot open the file", path.string());
  std::vector<char> block(1 << 20);
  std::uint64_t hash = 0;
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())), in.gcount() > 0) {
    hash = HashBytes({block.data(), static_cast<std::size_t>(in.gcount())}, hash);
  }
  if (in.bad()) throw Error::System("cannot read the file", path.string());
  return hash;
}

std::string HexHash(std::uint64_t hash) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, hash >>= 4) text[i] = kDigits[hash & 15];
  return text;
}

fs::path ProgramFolder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::current_path() : program.parent_path();
}

}  // namespace stemsmith
