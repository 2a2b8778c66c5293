#include "serve/http/upload_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <new>

#include "core/error.h"

namespace stemsmith {
namespace {

// So much is left to the system before it is asked to begin with writing: what Flush() waits for
// in the end is then little more than that.
constexpr std::int64_t kWriteBehind = 8 << 20;

}  // namespace

UploadFile::UploadFile(const std::filesystem::path& path, std::int64_t offset)
    : path_(path),
      file_(open(path.c_str(), O_RDWR | O_CLOEXEC | (offset == 0 ? O_CREAT | O_EXCL : 0), 0600)),
      hash_(EVP_MD_CTX_new()) {
  const auto refuse = [&] {
    EVP_MD_CTX_free(hash_);
    const int reason = errno;
    if (file_ >= 0) close(file_);
    errno = reason;
    throw Error::Write("The file of the upload cannot be written", path.string());
  };
  if (file_ < 0) refuse();
  if (hash_ == nullptr || EVP_DigestInit_ex(hash_, EVP_sha256(), nullptr) != 1) {
    errno = ENOMEM;
    refuse();
  }
  if (offset == 0) return;
  if (ftruncate(file_, offset) != 0) refuse();
  constexpr std::int64_t kBlock = 256 << 10;
  const std::unique_ptr<char[]> block(new char[kBlock]);
  while (bytes_ < offset) {
    const auto wanted = static_cast<std::size_t>(std::min(kBlock, offset - bytes_));
    const ssize_t count = read(file_, block.get(), wanted);
    if (count <= 0) refuse();
    EVP_DigestUpdate(hash_, block.get(), static_cast<std::size_t>(count));
    bytes_ += count;
  }
  begun_ = bytes_;
}

UploadFile::~UploadFile() {
  EVP_MD_CTX_free(hash_);
  close(file_);
}

void UploadFile::Write(const char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t done = write(file_, bytes, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) throw Error::Write("The upload cannot be written", path_.string());
    EVP_DigestUpdate(hash_, bytes, static_cast<std::size_t>(done));  // what the file has, no more
    bytes += done;
    count -= static_cast<std::size_t>(done);
    bytes_ += done;
  }
  if (bytes_ - begun_ >= kWriteBehind) {
    sync_file_range(file_, begun_, bytes_ - begun_, SYNC_FILE_RANGE_WRITE);
    begun_ = bytes_;
  }
}

void UploadFile::Flush() {
  if (fsync(file_) != 0) throw Error::Write("The upload cannot be written", path_.string());
}

std::string UploadFile::Sha256Hex() const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> copy(EVP_MD_CTX_new(),
                                                                      EVP_MD_CTX_free);
  std::array<unsigned char, 32> digest{};
  if (!copy || EVP_MD_CTX_copy_ex(copy.get(), hash_) != 1 ||
      EVP_DigestFinal_ex(copy.get(), digest.data(), nullptr) != 1)
    throw std::bad_alloc();
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

void FlushFolder(const std::filesystem::path& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

}  // namespace stemsmith
