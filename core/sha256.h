// SHA-256 (FIPS 180-4): Demucs names packages by it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace stemsmith {

class Sha256 {
 public:
  void Update(const void* data, std::size_t bytes);
  std::string Hex();  // 64 digits; ends the message

 private:
  void Block(const unsigned char* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  std::uint64_t bytes_ = 0;
};

std::string Sha256Of(std::string_view text);
// Of a whole file, read in blocks. Throws Error.
std::string Sha256OfFile(const std::filesystem::path& path);

}  // namespace stemsmith
