// SHA-256 of what is uploaded, as fast as the processor has it (OpenSSL): several times as fast as
// core/sha256.h, which needs no library.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace stemsmith {

class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  ContentHash(const ContentHash&) = delete;
  ContentHash& operator=(const ContentHash&) = delete;
  void Update(const char* bytes, std::size_t count);
  std::string Hex();  // 64 digits; ends the message

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string ContentHashOf(std::string_view text);
// Of a whole file, read in blocks. Throws Error.
std::string ContentHashOfFile(const std::filesystem::path& path);

}  // namespace stemsmith
