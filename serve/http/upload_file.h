// A file that grows by what is uploaded, and the SHA-256 of it, which OpenSSL computes with the
// processor's own instructions (core/sha256.h would take longer than network and disk together).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

typedef struct evp_md_ctx_st EVP_MD_CTX;

namespace stemsmith {

class UploadFile {
 public:
  // Makes the file, which must not be there, or continues one of `offset` bytes: what is behind
  // them is cut off, and they are read for the hash. Throws Error.
  explicit UploadFile(const std::filesystem::path& path, std::int64_t offset = 0);
  ~UploadFile();
  UploadFile(const UploadFile&) = delete;
  UploadFile& operator=(const UploadFile&) = delete;

  void Write(const char* bytes, std::size_t count);  // Throws Error.
  void Flush();                                      // to the disk. Throws Error.
  std::int64_t bytes() const { return bytes_; }
  std::string Sha256Hex() const;  // of all so far; 64 digits

 private:
  const std::filesystem::path path_;
  int file_;
  std::int64_t bytes_ = 0, begun_ = 0;  // up to `begun_` the system has been asked to write
  EVP_MD_CTX* hash_;
};

// So that the names in a folder survive a power cut, too. A file system that cannot is no error.
void FlushFolder(const std::filesystem::path& folder);

}  // namespace stemsmith
