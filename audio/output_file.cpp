#include "audio/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/error.h"

namespace stemsmith {

OutputFile::OutputFile(const std::filesystem::path& path, const std::filesystem::path& shown)
    : shown_(shown.string()), file_(open(path.c_str(), O_RDWR | O_CLOEXEC)) {
  if (file_ < 0) failure_ = errno;
  Check();
}

OutputFile::~OutputFile() {
  if (file_ >= 0) close(file_);
}

bool OutputFile::Write(const void* bytes, std::size_t count) {
  const char* from = static_cast<const char*>(bytes);
  while (count > 0 && failure_ == 0) {
    const ssize_t written = write(file_, from, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      failure_ = written < 0 ? errno : ENOSPC;
      break;
    }
    from += written;
    count -= static_cast<std::size_t>(written);
  }
  return failure_ == 0;
}

std::int64_t OutputFile::Seek(std::int64_t offset, int whence) {
  const off_t result = lseek(file_, whence == SEEK_SET ? origin_ + offset : offset, whence);
  if (result < 0 && failure_ == 0) failure_ = errno;
  return result < 0 ? result : result - origin_;
}

std::int64_t OutputFile::Read(void* out, std::size_t count) { return read(file_, out, count); }

void OutputFile::Close() {
  const int file = std::exchange(file_, -1);
  if (file >= 0 && close(file) != 0 && failure_ == 0) failure_ = errno;
}

void OutputFile::Check() const {
  if (failure_ == 0) return;
  errno = failure_;
  throw Error::Write("cannot write", shown_);
}

}  // namespace stemsmith
