// How much audio a header promises, and what a header looks like that was never filled in.
#include <algorithm>
#include <array>
#include <cctype>

#include "core/decode_backend.h"
#include "core/decode_bytes.h"

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
  field.present_bytes = static_cast<std::int64_t>(file.size() > begin ? file.size() - begin : 0);
  if (!placeholder) {
    field.promised_bytes = static_cast<std::int64_t>(std::min<std::uint64_t>(size, INT64_MAX));
    return field;
  }
  field.open_ended = field.present_bytes > 0;
  return field;
}

DataChunk FindInRiff(HeaderFile& file, bool aiff) {
  std::array<unsigned char, 36> head{};
  std::uint64_t ds64_field = 0, size_in_ds64 = 0;
  const auto number = [&](const unsigned char* bytes) {
    return aiff ? BigEndian(bytes, 4) : LittleEndian(bytes, 4);
  };
  for (std::uint64_t offset = 12; file.Read(offset, head.data(), 8);) {
    const std::uint64_t size = number(head.data() + 4);
    if (StartsWith(head.data(), "ds64") && file.Read(offset + 8, head.data() + 8, 16)) {
      ds64_field = offset + 16;
      size_in_ds64 = LittleEndian(head.data() + 16, 8);
    }
    if (StartsWith(head.data(), aiff ? "SSND" : "data")) {
      if (size == 0xffffffffULL && ds64_field > 0) {
        return Judge(file, offset + 8, size_in_ds64, IsPlaceholder64(size_in_ds64),
                     {.size_field = ds64_field, .size_field_bytes = 8});
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
      return Judge(file, begin, size - own, placeholder,
                   {.size_field = offset + 4,
                    .size_field_bytes = 4,
                    .size_field_is_big_endian = aiff,
                    .size_field_extra = aiff ? 8 : 0});
    }
    offset += 8 + size + (size & 1);
  }
  return {};
}

// Sony Wave64: chunks named by 16 bytes, lengths that count the chunk's own head of 24.
DataChunk FindInW64(HeaderFile& file) {
  std::array<unsigned char, 24> head{};
  for (std::uint64_t offset = 40; file.Read(offset, head.data(), head.size());) {
    const std::uint64_t size = LittleEndian(head.data() + 16, 8);
    if (StartsWith(head.data(), "data")) {
      const std::uint64_t own = std::min<std::uint64_t>(size, 24);
      return Judge(file, offset + 24, size - own, IsPlaceholder64(size - own),
                   {.size_field = offset + 16, .size_field_bytes = 8, .size_field_extra = 24});
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
