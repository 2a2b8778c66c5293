#include "datasets/cache/open_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "core/files.h"

namespace stemsmith {
namespace {

// More open files make little difference; a process may have 1024 in all by default.
constexpr std::size_t kMostOpenFiles = 128;

}  // namespace

OpenFile::OpenFile(const std::filesystem::path& path) {
  CheckIsFile(path);
  number_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (number_ < 0) {
    throw Error::System("cannot open a track of the cache", path.string(),
                        "prepare the cache again");
  }
}

OpenFile::~OpenFile() { close(number_); }

std::string OpenFile::ReadAt(std::uint64_t place, std::span<char> out) const {
  while (!out.empty()) {
    const ssize_t got = pread(number_, out.data(), out.size(), static_cast<off_t>(place));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::string("cannot read the cache: ") + std::strerror(errno);
    if (got == 0) return "a track of the cache is cut off";
    place += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return "";
}

std::uint32_t OpenFile::Version() const {
  struct stat status {};
  fstat(number_, &status);
  const std::int64_t state[] = {static_cast<std::int64_t>(status.st_ino),
                                static_cast<std::int64_t>(status.st_dev),
                                status.st_size,
                                status.st_mtim.tv_sec,
                                status.st_mtim.tv_nsec,
                                status.st_ctim.tv_sec,
                                status.st_ctim.tv_nsec};
  return static_cast<std::uint32_t>(
             HashBytes({reinterpret_cast<const char*>(state), sizeof state})) |
         1u;
}

std::shared_ptr<const OpenFile> OpenFiles::Get(std::size_t number,
                                               const std::filesystem::path& path) {
  const std::lock_guard guard(mutex_);
  if (const auto found = places_.find(number); found != places_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().second;
  }
  entries_.emplace_front(number, std::make_shared<const OpenFile>(path));
  places_[number] = entries_.begin();
  if (entries_.size() > kMostOpenFiles) {
    places_.erase(entries_.back().first);
    entries_.pop_back();
  }
  return entries_.front().second;
}

}  // namespace stemsmith
