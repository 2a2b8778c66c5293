// Whether a container ends where its own elements say. Only lengths that are exact count: a length
// in seconds may be another track's.
#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "audio/decode_backend.h"
#include "audio/decode_bytes.h"

namespace stemsmith {
namespace {

// ISO base media (mp4, m4a, mov): the last atom on the top level may reach beyond the end.
std::uint64_t EndOfAtoms(HeaderFile& file) {
  static const std::set<std::string> known = {"ftyp", "moov", "mdat", "free", "skip", "wide",
                                              "moof", "sidx", "styp", "mfra", "udta", "meta",
                                              "uuid", "pdin", "emsg", "prft", "ssix", "pnot"};
  std::array<unsigned char, 16> head{};
  std::uint64_t offset = 0;
  while (file.Read(offset, head.data(), 8)) {
    if (!known.contains(std::string(head.begin() + 4, head.begin() + 8))) break;
    std::uint64_t size = BigEndian(head.data(), 4);
    if (size == 0) return file.size();  // to the end
    if (size == 1) {
      if (!file.Read(offset, head.data(), 16)) break;
      size = BigEndian(head.data() + 8, 8);
    }
    if (size < 8) break;
    offset += size;
  }
  return offset;
}

// Matroska and WebM: an EBML header and a segment, each with its length.
std::uint64_t EndOfSegment(HeaderFile& file) {
  std::uint64_t offset = 4;
  // A number of EBML: the zeros before the first one tell its bytes; all ones: not known.
  const auto number = [&](std::uint64_t* value) {
    std::array<unsigned char, 8> bytes{};
    if (!file.Read(offset, bytes.data(), 1) || bytes[0] == 0) return false;
    const int count = __builtin_clz(static_cast<unsigned>(bytes[0])) - 23;
    if (!file.Read(offset, bytes.data(), static_cast<std::size_t>(count))) return false;
    const std::uint64_t most = (std::uint64_t{1} << (7 * count)) - 1;
    *value = BigEndian(bytes.data(), count) & most;
    if (*value == most) return false;
    offset += static_cast<std::uint64_t>(count);
    return true;
  };
  std::uint64_t size = 0;
  if (!number(&size)) return 0;
  offset += size;
  std::array<unsigned char, 4> id{};
  if (!file.Read(offset, id.data(), id.size()) || !StartsWith(id.data(), "\x18\x53\x80\x67"))
    return 0;
  offset += 4;
  return number(&size) && size > 0 ? offset + size : 0;
}

}  // namespace

OggPages WalkOggPages(const std::filesystem::path& path) {
  HeaderFile file(path);
  OggPages pages;
  std::array<unsigned char, 27> head{};
  std::array<unsigned char, 255> lengths{};
  std::uint64_t offset = 0;
  bool audio_before = false;
  while (offset < file.size()) {
    if (!file.Read(offset, head.data(), head.size())) {
      // A few bytes of a page, or something else that was appended.
      const std::size_t left = static_cast<std::size_t>(file.size() - offset);
      if (file.Read(offset, head.data(), std::min<std::size_t>(left, 4)) && head[0] == 'O')
        pages.cut_bytes = 27 - static_cast<std::int64_t>(left);
      break;
    }
    if (!StartsWith(head.data(), "OggS")) break;
    const std::size_t count = head[26];
    std::uint64_t size = 27 + count;
    if (!file.Read(offset + 27, lengths.data(), count)) {
      pages.cut_bytes = static_cast<std::int64_t>(offset + size - file.size());
      break;
    }
    for (std::size_t i = 0; i < count; ++i) size += lengths[i];
    const bool begins = (head[5] & 2) != 0;
    if (begins && audio_before) {
      ++pages.links;
      audio_before = false;
    }
    if (!begins) audio_before = true;
    if (offset + size > file.size()) {
      pages.cut_bytes = static_cast<std::int64_t>(offset + size - file.size());
      break;
    }
    offset += size;
  }
  return pages;
}

std::int64_t MissingBytesAtEnd(const std::filesystem::path& path) {
  HeaderFile file(path);
  std::array<unsigned char, 12> head{};
  if (!file.Read(0, head.data(), head.size())) return 0;
  if (StartsWith(head.data(), "OggS")) return WalkOggPages(path).cut_bytes;
  std::uint64_t end = 0;
  if (StartsWith(head.data(), "\x1a\x45\xdf\xa3")) end = EndOfSegment(file);
  if (StartsWith(head.data() + 4, "ftyp") || StartsWith(head.data() + 4, "moov") ||
      StartsWith(head.data() + 4, "mdat") || StartsWith(head.data() + 4, "wide") ||
      StartsWith(head.data() + 4, "free"))
    end = EndOfAtoms(file);
  if (StartsWith(head.data(), "RIFF") && StartsWith(head.data() + 8, "AVI ")) {
    const std::uint64_t size = LittleEndian(head.data() + 4, 4);
    if (size > 0 && size < 0xffffff00ULL) end = 8 + size;
  }
  return end > file.size() ? static_cast<std::int64_t>(end - file.size()) : 0;
}

}  // namespace stemsmith
