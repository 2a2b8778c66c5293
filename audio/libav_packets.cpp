#include "audio/libav_packets.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "audio/decode_backend.h"

namespace stemsmith {

bool HasChecksum(AVCodecID codec) {
  return codec == AV_CODEC_ID_AC3 || codec == AV_CODEC_ID_EAC3 || codec == AV_CODEC_ID_FLAC ||
         codec == AV_CODEC_ID_TTA || codec == AV_CODEC_ID_WAVPACK;
}

bool IsTag(const AVPacket& packet) {
  constexpr std::array<const char*, 9> kTags = {"ID3",         "TAG",        "APETAGEX",
                                                "LYRICSBEGIN", "OpusHead",   "OpusTags",
                                                "\x01vorbis",  "\x03vorbis", "\x05vorbis"};
  return std::any_of(kTags.begin(), kTags.end(), [&](const char* tag) {
    const std::size_t length = std::strlen(tag);
    return static_cast<std::size_t>(packet.size) >= length &&
           std::memcmp(packet.data, tag, length) == 0;
  });
}

std::int64_t FlacPosition(const AVPacket& packet) {
  const auto byte = [&](int i) { return static_cast<std::uint32_t>(packet.data[i]); };
  if (packet.size < 16 || byte(0) != 0xff || (byte(1) & 0xfe) != 0xf8) return -1;
  const bool counts_samples = (byte(1) & 1) != 0;  // else frames of one size
  const int more = byte(4) < 0x80 ? 0 : std::countl_one(static_cast<std::uint8_t>(byte(4))) - 1;
  if (more < 0 || more > 6 || (byte(4) >= 0x80 && more == 0)) return -1;
  std::int64_t number = more == 0 ? byte(4) : byte(4) & (0x3fU >> more);
  for (int i = 0; i < more; ++i) number = number << 6 | (byte(5 + i) & 0x3f);
  if (counts_samples) return number;
  const std::uint32_t code = byte(2) >> 4;
  std::int64_t block = 0;
  if (code == 1) block = 192;
  if (code >= 2 && code <= 5) block = 576LL << (code - 2);
  if (code >= 8) block = 256LL << (code - 8);
  return block == 0 ? -1 : number * block;
}

std::int64_t FrameRow::FrameBytes(const std::uint8_t* data, std::int64_t left) const {
  if (left < 7) return 0;
  if (codec == AV_CODEC_ID_AAC) return AdtsFrameBytes(data);
  if (codec != AV_CODEC_ID_MP1 && codec != AV_CODEC_ID_MP2 && codec != AV_CODEC_ID_MP3) return 0;
  const MpegHeader header = ParseMpegHeader(data);
  const int frame_channels = (data[3] & 0xc0) == 0xc0 ? 1 : 2;
  const int layer = codec == AV_CODEC_ID_MP3 ? 3 : codec == AV_CODEC_ID_MP2 ? 2 : 1;
  const bool same = header.sample_rate_hz == sample_rate_hz && header.layer == layer &&
                    frame_channels == channels;
  return same ? header.bytes : 0;
}

std::int64_t FrameRow::BytesToNextFrame(const std::uint8_t* data, std::int64_t left) const {
  for (std::int64_t begin = 1; begin < left; ++begin) {
    std::int64_t at = begin;
    while (at < left) {
      const std::int64_t size = FrameBytes(data + at, left - at);
      if (size == 0 || size > left - at) break;
      at += size;
    }
    if (at == left) return begin;
  }
  return left;
}

}  // namespace stemsmith
