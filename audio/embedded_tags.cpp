#include "audio/embedded_tags.h"

#include <cstdint>

#include "audio/encode_pcm.h"
#include "audio/tags.h"

namespace stemsmith {
namespace {

constexpr char kUtf8 = 3;
// Of a picture, in ID3 and flac alike.
constexpr char kFrontCover = 3;

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
    frames += Frame("APIC", kUtf8 + type + '\0' + kFrontCover + '\0' + options.cover);
  }
  return frames.empty() ? "" : "ID3\4\0\0"s + SyncSafe(frames.size()) + frames;
}

std::string FlacPicture(const EncodeOptions& options) {
  const std::string type = PictureType(options.cover);
  if (type.empty()) return "";
  std::string block;
  AppendBigEndian(block, kFrontCover, 4);
  AppendBigEndian(block, type.size(), 4);
  block += type;
  block.append(4 + 4 * 4, '\0');  // no description; size and colours are as the picture says
  AppendBigEndian(block, options.cover.size(), 4);
  block += options.cover;
  constexpr std::size_t kLargest = 0xffffff;
  if (block.size() > kLargest) return "";
  std::string head(1, '\6');
  AppendBigEndian(head, block.size(), 3);
  return head + block;
}

}  // namespace stemsmith
