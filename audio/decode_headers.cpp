// How much audio a header promises, and what a header looks like that was never filled in.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <string>
#include <string_view>

#include "audio/decode_backend.h"
#include "audio/decode_bytes.h"

namespace stemsmith {
namespace {

// A program that writes to a pipe, or that is switched off, leaves one of these.
bool IsPlaceholder32(std::uint64_t size) {
  return size == 0 || size >= 0xffffff00ULL || (size >= 0x7ffff000ULL && size <= 0x80000000ULL);
}
bool IsPlaceholder64(std::uint64_t size) { return size == 0 || size >= (std::uint64_t{1} << 62); }

// Whether chunks of the usual kind (four letters, a length) fill the rest of a file: then a chunk
// of length 0 before them is really empty.
bool ChunksFollow(HeaderFile& file, std::uint64_t offset, bool big_endian) {
  std::array<unsigned char, 8> head{};
  if (offset >= file.size()) return true;
  while (file.Read(offset, head.data(), head.size())) {
    for (int i = 0; i < 4; ++i) {
      if (std::isprint(head[i]) == 0) return false;
    }
    const std::uint64_t size =
        big_endian ? BigEndian(head.data() + 4, 4) : LittleEndian(head.data() + 4, 4);
    offset += 8 + size + (size & 1);
    if (offset >= file.size()) return offset <= file.size() + 1;
  }
  return false;
}

// `size` as it stands at `field` counts from `begin`, but for `own` bytes that are no audio.
DataChunk Judge(HeaderFile& file, std::uint64_t begin, std::uint64_t size, bool placeholder,
                DataChunk field) {
  field.begin = begin;
  field.present_bytes = static_cast<std::int64_t>(file.size() > begin ? file.size() - begin : 0);
  if (!placeholder) {
    field.promised_bytes = static_cast<std::int64_t>(std::min<std::uint64_t>(size, INT64_MAX));
    return field;
  }
  field.open_ended = field.present_bytes > 0;
  return field;
}

// The body of a "fmt " chunk.
DataChunk ReadFmt(HeaderFile& file, std::uint64_t fmt) {
  std::array<unsigned char, 26> body{};
  DataChunk chunk;
  if (!file.Read(fmt, body.data(), 16)) return chunk;
  chunk.tag = static_cast<int>(LittleEndian(body.data(), 2));
  chunk.channels = static_cast<int>(LittleEndian(body.data() + 2, 2));
  chunk.sample_rate_hz = static_cast<int>(LittleEndian(body.data() + 4, 4));
  chunk.bits = static_cast<int>(LittleEndian(body.data() + 14, 2));
  if (chunk.tag == 0xfffe && file.Read(fmt, body.data(), body.size()))
    chunk.tag = static_cast<int>(LittleEndian(body.data() + 24, 2));
  // Else than PCM, float, A-law, mu-law.
  chunk.wants_libav = chunk.tag != 1 && chunk.tag != 3 && chunk.tag != 6 && chunk.tag != 7;
  return chunk;
}

// libsndfile 1.2 takes an extensible header of w64 for PCM.
bool IsExtensibleFloat(HeaderFile& file, std::uint64_t fmt) {
  std::array<unsigned char, 26> body{};
  return file.Read(fmt, body.data(), body.size()) && LittleEndian(body.data(), 2) == 0xfffe &&
         LittleEndian(body.data() + 24, 2) == 3;
}

DataChunk FindInRiff(HeaderFile& file, bool aiff) {
  std::array<unsigned char, 36> head{};
  std::uint64_t ds64_field = 0, size_in_ds64 = 0;
  DataChunk fmt;
  const auto number = [&](const unsigned char* bytes) {
    return aiff ? BigEndian(bytes, 4) : LittleEndian(bytes, 4);
  };
  for (std::uint64_t offset = 12; file.Read(offset, head.data(), 8);) {
    const std::uint64_t size = number(head.data() + 4);
    if (StartsWith(head.data(), "ds64") && file.Read(offset + 8, head.data() + 8, 16)) {
      ds64_field = offset + 16;
      size_in_ds64 = LittleEndian(head.data() + 16, 8);
    }
    if (!aiff && StartsWith(head.data(), "fmt ")) fmt = ReadFmt(file, offset + 8);
    if (StartsWith(head.data(), aiff ? "SSND" : "data")) {
      if (size == 0xffffffffULL && ds64_field > 0) {
        fmt.size_field = ds64_field;
        fmt.size_field_bytes = 8;
        return Judge(file, offset + 8, size_in_ds64, IsPlaceholder64(size_in_ds64), fmt);
      }
      const std::uint64_t begin = offset + (aiff ? 16 : 8);  // SSND opens with two words of its own
      const std::uint64_t own = aiff ? std::min<std::uint64_t>(size, 8) : 0;
      // A length that has run over 32 bits, too, says nothing.
      const std::uint64_t present = file.size() > begin ? file.size() - begin : 0;
      const bool ran_over = present > 0xffffffffULL && (present & 0xffffffffULL) >= size &&
                            (present & 0xffffffffULL) - size < 4096 &&
                            !ChunksFollow(file, begin + size, aiff);
      bool placeholder = IsPlaceholder32(size - own) || ran_over;
      if (size == own && ChunksFollow(file, begin, aiff)) placeholder = false;
      fmt.size_field = offset + 4;
      fmt.size_field_bytes = 4;
      fmt.size_field_is_big_endian = aiff;
      fmt.size_field_extra = aiff ? 8 : 0;
      fmt.beyond_32_bits = placeholder && !aiff && present > 0xffffffffULL;
      return Judge(file, begin, size - own, placeholder, fmt);
    }
    offset += 8 + size + (size & 1);
  }
  return {};
}

// Sony Wave64: chunks named by 16 bytes, lengths that count the chunk's own head of 24.
DataChunk FindInW64(HeaderFile& file) {
  std::array<unsigned char, 24> head{};
  DataChunk fmt;
  for (std::uint64_t offset = 40; file.Read(offset, head.data(), head.size());) {
    const std::uint64_t size = LittleEndian(head.data() + 16, 8);
    if (StartsWith(head.data(), "fmt ")) {
      fmt = ReadFmt(file, offset + 24);
      fmt.misread_by_libsndfile = IsExtensibleFloat(file, offset + 24);
      fmt.wants_libav |= fmt.misread_by_libsndfile;
    }
    if (StartsWith(head.data(), "data")) {
      const std::uint64_t own = std::min<std::uint64_t>(size, 24);
      fmt.size_field = offset + 16;
      fmt.size_field_bytes = 8;
      fmt.size_field_extra = 24;
      return Judge(file, offset + 24, size - own, IsPlaceholder64(size - own), fmt);
    }
    if (size < 24) return {};
    offset += (size + 7) & ~std::uint64_t{7};
  }
  return {};
}

DataChunk FindInAu(HeaderFile& file, bool big_endian) {
  std::array<unsigned char, 12> head{};
  if (!file.Read(0, head.data(), head.size())) return {};
  const auto number = [&](int at) {
    return big_endian ? BigEndian(head.data() + at, 4) : LittleEndian(head.data() + at, 4);
  };
  return Judge(file, number(4), number(8), IsPlaceholder32(number(8)),
               {.size_field = 8, .size_field_bytes = 4, .size_field_is_big_endian = big_endian});
}

DataChunk FindInCaf(HeaderFile& file) {
  std::array<unsigned char, 12> head{};
  for (std::uint64_t offset = 8; file.Read(offset, head.data(), head.size());) {
    const std::uint64_t size = BigEndian(head.data() + 4, 8);
    if (StartsWith(head.data(), "data")) {
      const std::uint64_t own = std::min<std::uint64_t>(size, 4);  // a count of edits
      const bool placeholder = IsPlaceholder64(size - own);
      return Judge(file, offset + 16, placeholder ? 0 : size - own, placeholder,
                   {.size_field = offset + 4,
                    .size_field_bytes = 8,
                    .size_field_is_big_endian = true,
                    .size_field_extra = 4});
    }
    if (size > file.size()) return {};
    offset += 12 + size;
  }
  return {};
}

}  // namespace

DataChunk FindDataChunk(const std::filesystem::path& path) {
  HeaderFile file(path);
  std::array<unsigned char, 12> head{};
  if (!file.Read(0, head.data(), head.size())) return {};
  const unsigned char* kind = head.data() + 8;
  if (StartsWith(head.data(), "FORM") && (StartsWith(kind, "AIFF") || StartsWith(kind, "AIFC")))
    return FindInRiff(file, true);
  if ((StartsWith(head.data(), "RIFF") || StartsWith(head.data(), "RF64")) &&
      StartsWith(kind, "WAVE"))
    return FindInRiff(file, false);
  if (StartsWith(head.data(), "riff")) return FindInW64(file);
  if (StartsWith(head.data(), ".snd")) return FindInAu(file, true);
  if (StartsWith(head.data(), "dns.")) return FindInAu(file, false);
  if (StartsWith(head.data(), "caff")) return FindInCaf(file);
  return {};
}

std::uint32_t FlacChannelMask(const std::filesystem::path& path, int channels) {
  constexpr std::array<std::uint32_t, 9> kUsual = {0,     0x4,   0x3,   0x7,  0x33,
                                                   0x607, 0x60f, 0x70f, 0x63f};
  const std::uint32_t usual =
      channels < static_cast<int>(kUsual.size()) ? kUsual[static_cast<std::size_t>(channels)] : 0;
  HeaderFile file(path);
  std::array<unsigned char, 4> head{};
  for (std::uint64_t offset = 4; file.Read(offset, head.data(), head.size());) {
    const std::uint64_t size = BigEndian(head.data() + 1, 3);
    if ((head[0] & 0x7f) == 4) {  // comments
      std::string text(static_cast<std::size_t>(size), '\0');
      if (!file.Read(offset + 4, text.data(), text.size())) return usual;
      constexpr std::string_view kKey = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x";
      const std::size_t at = text.find(kKey);
      if (at == text.npos) return usual;
      const auto mask = static_cast<std::uint32_t>(
          std::strtoul(text.substr(at + kKey.size(), 8).c_str(), nullptr, 16));
      return __builtin_popcount(mask) == channels ? mask : usual;
    }
    if ((head[0] & 0x80) != 0) break;  // the last block
    offset += 4 + size;
  }
  return usual;
}

std::optional<CoreAudioLayout> ReadCoreAudioLayout(const std::filesystem::path& path) {
  HeaderFile file(path);
  std::array<unsigned char, 12> head{};
  if (!file.Read(0, head.data(), head.size())) return {};
  const bool caf = StartsWith(head.data(), "caff"), aiff = StartsWith(head.data(), "FORM");
  if (!caf && !aiff) return {};
  const std::uint64_t own = caf ? 12 : 8;
  bool knows_channels = caf;  // whose first chunk must say how many
  for (std::uint64_t offset = caf ? 8 : 12; file.Read(offset, head.data(), own);) {
    const std::uint64_t size = BigEndian(head.data() + 4, caf ? 8 : 4);
    if (StartsWith(head.data(), caf ? "chan" : "CHAN")) {
      if (size < 12 || !file.Read(offset + own, head.data(), 12)) return {};
      return CoreAudioLayout{.tag = static_cast<std::uint32_t>(BigEndian(head.data(), 4)),
                             .bitmap = static_cast<std::uint32_t>(BigEndian(head.data() + 4, 4)),
                             .before_channels = !knows_channels};
    }
    knows_channels |= StartsWith(head.data(), "COMM");
    if (size > file.size()) return {};
    offset += own + size + (aiff ? size & 1 : 0);
  }
  return {};
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
