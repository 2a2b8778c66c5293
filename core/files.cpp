#include "core/files.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cerrno>
#include <fstream>
#include <vector>

#include "core/error.h"

namespace stemsmith {
namespace fs = std::filesystem;

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
  if (!in)
    throw Error::System("cannot open the file", path.string(),
                        errno == EACCES ? "check its permissions" : "check the path");
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) throw Error::System("cannot read the file", path.string());
  return bytes;
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

bool LiesIn(const fs::path& path, const fs::path& folder) {
  const fs::path relative =
      fs::weakly_canonical(path).lexically_relative(fs::weakly_canonical(folder));
  return !relative.empty() && *relative.begin() != "..";
}

fs::path ProgramFolder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::current_path() : program.parent_path();
}

}  // namespace stemsmith
