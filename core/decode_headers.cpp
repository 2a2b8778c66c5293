// The few header fields that libsndfile does not tell.
#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <string>

#include "core/decode_backend.h"

namespace stemsmith {
namespace {

std::uint64_t Bytes(const unsigned char* bytes, int count, bool big_endian) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) {
    value |= static_cast<std::uint64_t>(bytes[i]) << (8 * (big_endian ? count - 1 - i : i));
  }
  return value;
}

bool ReadAt(std::ifstream& file, std::uint64_t offset, unsigned char* out, std::size_t count) {
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(reinterpret_cast<char*>(out), static_cast<std::streamsize>(count));
  return file.good();
}

bool Is(const unsigned char* bytes, const char* id) { return std::memcmp(bytes, id, 4) == 0; }

// A program that writes to a pipe cannot know the length and leaves one of these.
bool IsPlaceholder(std::uint64_t size) {
  return size == 0 || size >= 0xffffff00ULL || (size >= 0x7ffff000ULL && size <= 0x7fffffffULL);
}

// ID3v2 lengths: 28 bits in four bytes whose top bit is clear.
std::uint64_t SynchsafeLength(const unsigned char* bytes) {
  return (bytes[0] & 0x7fU) << 21 | (bytes[1] & 0x7fU) << 14 | (bytes[2] & 0x7fU) << 7 |
         (bytes[3] & 0x7fU);
}

}  // namespace

DataChunk FindDataChunk(const std::filesystem::path& path) {
  DataChunk result;
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  const std::uint64_t file_size = std::filesystem::file_size(path, error);
  std::array<unsigned char, 36> head{};
  if (!file || error || !ReadAt(file, 0, head.data(), 12)) return result;
  const bool aiff =
      Is(head.data(), "FORM") && (Is(head.data() + 8, "AIFF") || Is(head.data() + 8, "AIFC"));
  const bool wav =
      (Is(head.data(), "RIFF") || Is(head.data(), "RF64")) && Is(head.data() + 8, "WAVE");
  if (!aiff && !wav) return result;

  std::uint64_t size_in_ds64 = 0;
  std::uint64_t offset = 12;
  while (ReadAt(file, offset, head.data(), 8)) {
    std::uint64_t size = Bytes(head.data() + 4, 4, aiff);
    if (Is(head.data(), "ds64") && ReadAt(file, offset + 8, head.data() + 8, 16)) {
      size_in_ds64 = Bytes(head.data() + 16, 8, false);
    }
    if (Is(head.data(), aiff ? "SSND" : "data")) {
      const std::uint64_t begin = offset + (aiff ? 16 : 8);  // SSND opens with two words of its own
      if (size == 0xffffffffULL && size_in_ds64 > 0)
        size = size_in_ds64;
      else if (IsPlaceholder(size))
        return result;
      else if (aiff)
        size -= std::min<std::uint64_t>(size, 8);
      result.promised_bytes = static_cast<std::int64_t>(std::min<std::uint64_t>(size, INT64_MAX));
      result.present_bytes = static_cast<std::int64_t>(file_size > begin ? file_size - begin : 0);
      return result;
    }
    offset += 8 + size + (size & 1);
  }
  return result;
}

bool Mp3SaysItsLength(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<unsigned char, 10> tag{};
  std::uint64_t offset = 0;
  while (ReadAt(file, offset, tag.data(), tag.size()) && std::memcmp(tag.data(), "ID3", 3) == 0) {
    const bool footer = (tag[5] & 0x10) != 0;
    offset += 10 + SynchsafeLength(tag.data() + 6) + (footer ? 10 : 0);
  }
  // The first frame follows, perhaps behind padding; its tag lies behind the side information.
  std::string bytes(8192, '\0');
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  for (std::size_t i = 0; i + 4 + 32 + 8 <= bytes.size(); ++i) {
    if (byte(i) != 0xff || (byte(i + 1) & 0xe0) != 0xe0) continue;
    const bool mpeg1 = (byte(i + 1) & 0x18) == 0x18;
    const bool mono = (byte(i + 3) & 0xc0) == 0xc0;
    const std::size_t at = i + 4 + (mpeg1 ? (mono ? 17 : 32) : (mono ? 9 : 17));
    const std::string id = bytes.substr(at, 4);
    return (id == "Xing" || id == "Info") && (byte(at + 7) & 1) != 0;  // flag 1: number of frames
  }
  return false;
}

bool LooksLikeText(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, 4096> bytes{};
  file.read(bytes.data(), bytes.size());
  const auto count = static_cast<std::size_t>(file.gcount());
  return count > 0 && std::all_of(bytes.begin(), bytes.begin() + count, [](unsigned char c) {
           return c >= 0x20 ? c != 0x7f : (c == '\n' || c == '\r' || c == '\t' || c == '\f');
         });
}

}  // namespace stemsmith
