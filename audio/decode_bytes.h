// Reading of numbers at places of a file, for headers. Private to core/.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace stemsmith {

class HeaderFile {
 public:
  explicit HeaderFile(const std::filesystem::path& path) : file_(path, std::ios::binary) {
    std::error_code error;
    size_ = std::filesystem::file_size(path, error);
    if (error) size_ = 0;
  }
  std::uint64_t size() const { return size_; }
  // False where the file ends before.
  bool Read(std::uint64_t offset, void* out, std::size_t count) {
    if (offset > size_ || count > size_ - offset) return false;
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(offset));
    file_.read(static_cast<char*>(out), static_cast<std::streamsize>(count));
    return file_.good();
  }

 private:
  std::ifstream file_;
  std::uint64_t size_ = 0;
};

inline std::uint64_t LittleEndian(const unsigned char* bytes, int count) {
  std::uint64_t value = 0;
  for (int i = count; i-- > 0;) value = value << 8 | bytes[i];
  return value;
}
inline std::uint64_t BigEndian(const unsigned char* bytes, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}
inline bool StartsWith(const unsigned char* bytes, const char* id) {
  return std::memcmp(bytes, id, std::strlen(id)) == 0;
}

}  // namespace stemsmith
