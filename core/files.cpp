#include "core/files.h"

#include <fcntl.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <vector>

#include "core/error.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

// Unique among processes (pid) and threads (counter), and hidden from folder listings.
fs::path TemporaryBeside(const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  return target.parent_path() /
         ("." + target.filename().string() + ".tmp-" + std::to_string(getpid()) + "-" +
          std::to_string(counter++) + target.extension().string());
}

void Flush(const fs::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw Error::System("cannot open what was just written", path.string());
  const int result = fsync(file);
  const int reason = errno;
  close(file);
  // Some file systems (FUSE, network mounts) know no fsync; the rename still is atomic there.
  if (result != 0 && reason != EINVAL && reason != ENOTSUP) {
    errno = reason;
    throw Error::System("cannot flush to disk", path.string(), "is the disk full?");
  }
}

}  // namespace

PendingFile::PendingFile(fs::path target) : target_(std::move(target)) {
  if (target_.has_parent_path()) {
    std::error_code error;
    fs::create_directories(target_.parent_path(), error);
    if (error) {
      throw Error::Input("cannot create the folder: " + error.message(),
                         target_.parent_path().string(),
                         "choose a folder that this user may write");
    }
  }
  temporary_ = TemporaryBeside(target_);
  const int file = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) {
    throw Error::System("cannot write here", target_.string(),
                        "choose a folder that this user may write");
  }
  close(file);
}

PendingFile::~PendingFile() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

void PendingFile::Commit() {
  Flush(temporary_);
  std::error_code error;
  fs::rename(temporary_, target_, error);
  if (error)
    throw Error::Input("cannot put the finished file in place: " + error.message(),
                       target_.string());
  committed_ = true;
  // So that the new name survives a power cut too.
  Flush(target_.has_parent_path() ? target_.parent_path() : fs::path("."));
}

PendingFolder::PendingFolder(fs::path target) : target_(std::move(target)) {
  EnsureWritableFolder(target_);
  temporary_ = TemporaryBeside(target_ / "files");
  std::error_code error;
  fs::create_directory(temporary_, error);
  if (error) {
    throw Error::Input("cannot create a folder here: " + error.message(), target_.string(),
                       "choose a folder that this user may write");
  }
}

PendingFolder::~PendingFolder() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

fs::path PendingFolder::Add(const std::string& name) {
  names_.push_back(name);
  return temporary_ / name;
}

void PendingFolder::Commit() {
  for (const std::string& name : names_) Flush(temporary_ / name);
  for (const std::string& name : names_) {
    std::error_code error;
    fs::rename(temporary_ / name, target_ / name, error);
    if (error)
      throw Error::Input("cannot put the finished file in place: " + error.message(),
                         (target_ / name).string());
  }
  Flush(target_);
}

void WriteFileAtomically(const fs::path& path, std::string_view bytes) {
  PendingFile pending(path);
  {
    std::ofstream out(pending.path(), std::ios::binary | std::ios::trunc);
    errno = 0;
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) throw Error::System("cannot write", path.string(), "is the disk full?");
  }
  pending.Commit();
}

std::string ReadFile(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error))
    throw Error::Input("this is a folder, not a file", path.string());
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
