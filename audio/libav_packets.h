// What can be told of a packet of a container without decoding it. Private to the module
// libstemsmith_libav.so.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <cstdint>

namespace stemsmith {

// Decoders whose packets carry a checksum that valid files keep: one that does not fit is damage.
bool HasChecksum(AVCodecID codec);

// Tags and headers between the frames of files that were joined; libav hands them to the decoder.
bool IsTag(const AVPacket& packet);

// The first sample's number in the header of a FLAC frame (RFC 9639, 9.1), -1 where there is none.
std::int64_t FlacPosition(const AVPacket& packet);

// A row of frames without times of their own, all of one kind: adts (AAC) and MPEG audio.
struct FrameRow {
  AVCodecID codec = AV_CODEC_ID_NONE;
  int sample_rate_hz = 0, channels = 0;

  // Of the frame that starts here, as its header says; 0 where there is none, or where the codec is
  // another. `left` bytes may be read.
  std::int64_t FrameBytes(const std::uint8_t* data, std::int64_t left) const;
  // To a place from which frames go on to the end; all that is left where there is none.
  std::int64_t BytesToNextFrame(const std::uint8_t* data, std::int64_t left) const;
};

}  // namespace stemsmith
