// Headers of mp3 files (MPEG-1/2 audio, ISO/IEC 11172-3 and 13818-3; the information frames of
// Xing and LAME).
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "audio/decode_backend.h"
#include "audio/decode_bytes.h"

namespace stemsmith {

MpegHeader ParseMpegHeader(const unsigned char* head) {
  if (head[0] != 0xff || (head[1] & 0xe0) != 0xe0) return {};
  const int version = (head[1] >> 3) & 3;  // 0: 2.5, 2: 2, 3: 1
  const int layer = 4 - ((head[1] >> 1) & 3);
  const int rate_code = (head[2] >> 2) & 3, bits_code = head[2] >> 4;
  if (version == 1 || layer == 4 || rate_code == 3 || bits_code == 0 || bits_code == 15) return {};
  constexpr int kKilobits[5][16] = {
      {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0},  // 1, layer I
      {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0},     // 1, layer II
      {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0},      // 1, layer III
      {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0},     // 2, layer I
      {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0}};         // 2, II and III
  constexpr int kRates[3] = {44100, 48000, 32000};
  const bool mpeg1 = version == 3;
  const int row = mpeg1 ? layer - 1 : (layer == 1 ? 3 : 4);
  const int bits = kKilobits[row][bits_code] * 1000, padding = (head[2] >> 1) & 1;
  MpegHeader frame;
  frame.sample_rate_hz = kRates[rate_code] / (mpeg1 ? 1 : version == 2 ? 2 : 4);
  frame.layer = layer;
  frame.samples = layer == 1 ? 384 : (layer == 3 && !mpeg1 ? 576 : 1152);
  const bool mono = (head[3] & 0xc0) == 0xc0;
  frame.side_bytes = mpeg1 ? (mono ? 17 : 32) : (mono ? 9 : 17);
  frame.bytes =
      layer == 1
          ? (12LL * bits / frame.sample_rate_hz + padding) * 4
          : static_cast<std::int64_t>(frame.samples / 8) * bits / frame.sample_rate_hz + padding;
  return frame;
}

namespace {

// Behind tags: ID3v2 lengths are 28 bits in four bytes whose top bit is clear.
std::uint64_t BehindTags(HeaderFile& file) {
  std::array<unsigned char, 10> tag{};
  std::uint64_t offset = 0;
  while (file.Read(offset, tag.data(), tag.size()) && StartsWith(tag.data(), "ID3")) {
    const bool footer = (tag[5] & 0x10) != 0;
    const std::uint64_t length =
        (tag[6] & 0x7fU) << 21 | (tag[7] & 0x7fU) << 14 | (tag[8] & 0x7fU) << 7 | (tag[9] & 0x7fU);
    offset += 10 + length + (footer ? 10 : 0);
  }
  return offset;
}

struct FirstFrame {
  std::uint64_t offset = 0;
  MpegHeader header;
};
// The first frame that another follows, within the first 64 KiB behind the tags.
std::optional<FirstFrame> FindFirstFrame(HeaderFile& file) {
  const std::uint64_t begin = BehindTags(file);
  if (begin >= file.size()) return {};
  std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(65536, file.size() - begin)),
                    '\0');
  if (!file.Read(begin, bytes.data(), bytes.size())) return {};
  for (std::size_t i = 0; i + 4 <= bytes.size(); ++i) {
    const auto header = ParseMpegHeader(reinterpret_cast<const unsigned char*>(bytes.data()) + i);
    if (header.bytes == 0) continue;
    std::array<unsigned char, 4> next{};
    const std::uint64_t end = begin + i + static_cast<std::uint64_t>(header.bytes);
    if (end < file.size() &&
        !(file.Read(end, next.data(), 4) && ParseMpegHeader(next.data()).bytes > 0))
      continue;
    return FirstFrame{begin + i, header};
  }
  return {};
}

}  // namespace

FileStart LookAtStart(const std::filesystem::path& path) {
  HeaderFile file(path);
  std::array<unsigned char, 4> head{};
  const std::uint64_t begin = BehindTags(file);
  if (!file.Read(begin, head.data(), head.size())) return FileStart::kOther;
  if (StartsWith(head.data(), "OggS")) return FileStart::kOgg;
  if (StartsWith(head.data(), "fLaC")) return FileStart::kFlac;
  // Some programs put zeros before the first frame. Without a tag anything else may be any format.
  const bool zeros = LittleEndian(head.data(), 4) == 0;
  if (begin == 0 && !zeros && ParseMpegHeader(head.data()).bytes == 0) return FileStart::kOther;
  return FindFirstFrame(file) ? FileStart::kMpeg : FileStart::kOther;
}

std::int64_t Mp3PromisedFrames(const std::filesystem::path& path) {
  HeaderFile file(path);
  const auto first = FindFirstFrame(file);
  if (!first) return -1;
  std::uint64_t at = first->offset + 4 + static_cast<std::uint64_t>(first->header.side_bytes);
  std::array<unsigned char, 8> tag{};
  if (!file.Read(at, tag.data(), tag.size())) return -1;
  if (!StartsWith(tag.data(), "Xing") && !StartsWith(tag.data(), "Info")) return -1;
  const unsigned flags = tag[7];
  at += 8;
  if ((flags & 1) == 0) return -1;  // no number of frames
  if (!file.Read(at, tag.data(), 4)) return -1;
  std::int64_t frames = static_cast<std::int64_t>(BigEndian(tag.data(), 4)) * first->header.samples;
  at += 4 + ((flags & 2) != 0 ? 4 : 0) + ((flags & 4) != 0 ? 100 : 0) + ((flags & 8) != 0 ? 4 : 0);
  std::array<unsigned char, 24>
      lame{};  // the encoder's name, then delay and padding in 12 bits each
  if (file.Read(at, lame.data(), lame.size()) &&
      (StartsWith(lame.data(), "LAME") || StartsWith(lame.data(), "Lavf") ||
       StartsWith(lame.data(), "Lavc"))) {
    const auto pads = static_cast<std::int64_t>(BigEndian(lame.data() + 21, 3));
    frames -= (pads >> 12) + (pads & 0xfff);
  }
  return frames;
}

MpegFrames WalkMpegFrames(const std::filesystem::path& path) {
  HeaderFile file(path);
  MpegFrames walk;
  const auto first = FindFirstFrame(file);
  if (!first) return walk;
  std::array<unsigned char, 8> head{};
  std::int64_t samples = 0;
  walk.sample_rate_hz = first->header.sample_rate_hz;
  for (std::uint64_t offset = first->offset; file.Read(offset, head.data(), 4);) {
    const auto frame = ParseMpegHeader(head.data());
    if (frame.bytes > 0) {
      samples += frame.samples;
      offset += static_cast<std::uint64_t>(frame.bytes);
      continue;
    }
    const bool tag = StartsWith(head.data(), "TAG") || StartsWith(head.data(), "ID3") ||
                     (file.Read(offset, head.data(), 8) && StartsWith(head.data(), "APETAGEX"));
    if (!tag) walk.damaged_at_frame = samples;
    walk.goes_on_behind_tag = StartsWith(head.data(), "ID3");
    break;
  }
  walk.frames = samples;
  return walk;
}

std::int64_t AdtsFrameBytes(const unsigned char* head) {
  if (head[0] != 0xff || (head[1] & 0xf6) != 0xf0) return 0;
  const std::int64_t bytes = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5;
  return bytes < 7 ? 0 : bytes;
}

std::vector<SkippedBytes> FindSkippedAdtsBytes(const std::filesystem::path& path) {
  HeaderFile file(path);
  std::vector<SkippedBytes> skipped;
  const auto frame_at = [&](std::uint64_t offset) -> std::uint64_t {
    std::array<unsigned char, 7> head{};
    if (!file.Read(offset, head.data(), head.size())) return 0;
    return static_cast<std::uint64_t>(AdtsFrameBytes(head.data()));
  };
  std::int64_t frames = 0;
  for (std::uint64_t offset = BehindTags(file); offset + 7 <= file.size();) {
    if (const std::uint64_t bytes = frame_at(offset); bytes > 0) {
      offset += bytes;
      ++frames;
      continue;
    }
    // Two headers in a row are no accident.
    std::uint64_t next = offset + 1;
    while (next + 7 <= file.size() && (frame_at(next) == 0 || frame_at(next + frame_at(next)) == 0))
      ++next;
    if (next + 7 > file.size()) break;
    if (frames > 0) skipped.push_back({frames, static_cast<std::int64_t>(next - offset)});
    offset = next;
  }
  return skipped;
}

}  // namespace stemsmith
