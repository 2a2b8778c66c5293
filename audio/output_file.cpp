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

void OutputFile::Insert(std::int64_t at, std::string bytes) {
  insert_at_ = at;
  insert_ = std::move(bytes);
}

bool OutputFile::Write(const void* bytes, std::size_t count) {
  if (insert_.empty()) return Put(bytes, count);
  const std::int64_t before = insert_at_ - Seek(0, SEEK_CUR);
  if (before < 0 || before >= static_cast<std::int64_t>(count)) return Put(bytes, count);
  const std::string insert = std::exchange(insert_, {});
  Put(bytes, static_cast<std::size_t>(before));
  Put(insert.data(), insert.size());
  inserted_ = static_cast<std::int64_t>(insert.size());
  return Put(static_cast<const char*>(bytes) + before, count - static_cast<std::size_t>(before));
}

bool OutputFile::Put(const void* bytes, std::size_t count) {
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
  if (whence == SEEK_SET && offset >= insert_at_) offset += inserted_;
  const off_t result = lseek(file_, offset, whence);
  if (result < 0 && failure_ == 0) failure_ = errno;
  return result >= insert_at_ + inserted_ ? result - inserted_ : result;
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
