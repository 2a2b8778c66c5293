#include "audio/ogg_serial.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <numeric>
#include <string>

#include "core/files.h"

namespace stemsmith {
namespace {

// RFC 3533, 6: the header of a page, little endian.
constexpr std::size_t kHeaderBytes = 27, kSerialAt = 14, kChecksumAt = 22, kSegmentsAt = 26;

// Appends `count` bytes to the page; false at the end of the file.
bool Append(OutputFile& file, std::size_t count, std::string& page) {
  std::size_t at = page.size();
  page.resize(at + count);
  while (at < page.size()) {
    const std::int64_t got = file.Read(page.data() + at, page.size() - at);
    if (got <= 0) return false;
    at += static_cast<std::size_t>(got);
  }
  return true;
}

void ForEachPage(OutputFile& file,
                 const std::function<void(std::int64_t begin, std::string& page)>& visit) {
  std::string page;
  for (std::int64_t begin = 0;; begin += static_cast<std::int64_t>(page.size())) {
    file.Seek(begin, SEEK_SET);
    page.clear();
    if (!Append(file, kHeaderBytes, page)) return;
    const auto segments = static_cast<unsigned char>(page[kSegmentsAt]);
    if (!Append(file, segments, page)) return;
    const std::size_t body = std::accumulate(
        page.begin() + kHeaderBytes, page.end(), std::size_t{0},
        [](std::size_t sum, char length) { return sum + static_cast<unsigned char>(length); });
    if (!Append(file, body, page)) return;
    visit(begin, page);
  }
}

void Put(std::string& page, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) page[at + i] = static_cast<char>(value >> (8 * i));
}

// CRC-32 of polynomial 0x04c11db7, bits in their own order, from 0.
std::uint32_t PageChecksum(const std::string& page) {
  static const auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
      std::uint32_t value = i << 24;
      for (int bit = 0; bit < 8; ++bit)
        value = (value << 1) ^ ((value & 0x80000000U) != 0 ? 0x04c11db7U : 0U);
      table[i] = value;
    }
    return table;
  }();
  std::uint32_t sum = 0;
  for (const char byte : page)
    sum = (sum << 8) ^ kTable[(sum >> 24) ^ static_cast<unsigned char>(byte)];
  return sum;
}

}  // namespace

void SetOggSerialByContent(OutputFile& file) {
  std::uint64_t hash = 0;
  ForEachPage(file, [&](std::int64_t, std::string& page) {
    Put(page, kSerialAt, 0);
    Put(page, kChecksumAt, 0);
    hash = HashBytes(page, hash);
  });
  ForEachPage(file, [&](std::int64_t begin, std::string& page) {
    Put(page, kSerialAt, static_cast<std::uint32_t>(hash));
    Put(page, kChecksumAt, 0);
    Put(page, kChecksumAt, PageChecksum(page));
    file.Seek(begin, SEEK_SET);
    file.Write(page.data(), kHeaderBytes);
  });
}

}  // namespace stemsmith
