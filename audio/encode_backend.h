// What Mp4Writer and ThroughAac drive inside the libav module. Private to core/.
#pragma once

#include <cstddef>
#include <filesystem>

#include "audio/encode_mp4.h"

namespace stemsmith {

class Mp4Encoder {
 public:
  virtual ~Mp4Encoder() = default;
  virtual void Write(const float* interleaved, std::size_t frames) = 0;
  virtual void Finish() = 0;
};

// The signature of `stemsmith_encode_mp4`, which libstemsmith_libav.so exports. Writes to `file`;
// errors speak of `shown`. The caller owns the result.
using EncodeMp4Function = Mp4Encoder*(const std::filesystem::path& file,
                                      const std::filesystem::path& shown,
                                      const Mp4Options& options);

// What ThroughAac calls, exported as `stemsmith_through_aac`.
using ThroughAacFunction = void(float* planar, int channels, std::size_t frames, int sample_rate_hz,
                                int bit_rate);

}  // namespace stemsmith
