// The fuzzer's bytes as a file in memory, for readers that open files.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace stemsmith {

class FuzzFile {
 public:
  FuzzFile(const std::uint8_t* data, std::size_t size) : descriptor_(memfd_create("fuzz", 0)) {
    std::size_t done = 0;
    while (descriptor_ >= 0 && done < size) {
      const ssize_t count = write(descriptor_, data + done, size - done);
      if (count <= 0) break;
      done += static_cast<std::size_t>(count);
    }
  }
  ~FuzzFile() { close(descriptor_); }
  FuzzFile(const FuzzFile&) = delete;
  FuzzFile& operator=(const FuzzFile&) = delete;
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace stemsmith
