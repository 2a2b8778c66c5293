// An open encoder of libav. Private to the module.
#pragma once

#include <string>

#include "audio/encode_libav.h"
#include "audio/libav_handles.h"

namespace stemsmith {

struct LibavEncoderSettings {
  LibavCodec codec = LibavCodec::kAac;
  SampleFormat sample_format = SampleFormat::kFloat32;  // AAC: that alone; ALAC: the others
  int sample_rate_hz = 0;
  int channels = 0;
  int bit_rate = 0;  // of all channels; held to what AAC allows
};

// Throws Error at `shown`.
CodecHandle OpenLibavEncoder(const LibavEncoderSettings& settings, const std::string& shown);

}  // namespace stemsmith
