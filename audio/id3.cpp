#include "audio/id3.h"

#include <cstdint>

#include "audio/tags.h"

namespace stemsmith {
namespace {

constexpr char kUtf8 = 3;

// Seven bits a byte, so that nothing looks like audio.
std::string SyncSafe(std::size_t value) {
  std::string bytes;
  for (int shift = 21; shift >= 0; shift -= 7)
    bytes.push_back(static_cast<char>((value >> shift) & 0x7f));
  return bytes;
}

std::string Frame(const std::string& name, const std::string& content) {
  return name + SyncSafe(content.size()) + std::string(2, '\0') + content;
}

}  // namespace

std::string Id3Tag(const EncodeOptions& options) {
  using namespace std::string_literals;
  std::string frames;
  for (const auto& [name, text] : options.tags) {
    for (const TagRow& row : TagTable()) {
      if (name != row.name) continue;
      const bool is_comment = row.id3 == "COMM"s;  // has a language and a summary
      frames += Frame(row.id3, kUtf8 + (is_comment ? "und\0"s : ""s) + text);
    }
  }
  if (const std::string type = PictureType(options.cover); !type.empty()) {
    constexpr char kFrontCover = 3;
    frames += Frame("APIC", kUtf8 + type + '\0' + kFrontCover + '\0' + options.cover);
  }
  return frames.empty() ? "" : "ID3\4\0\0"s + SyncSafe(frames.size()) + frames;
}

}  // namespace stemsmith
