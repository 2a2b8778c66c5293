// The header of wav files that may grow beyond 4 GiB. Private to audio/
// but for who writes to a pipe.
#pragma once

#include <cstdint>
#include <string>

#include "audio/encode_options.h"

namespace stemsmith {

enum class WavLengths {
  kAsNeeded,  // RIFF, above 4 GiB RF64
  kLong,      // RF64 always
};

// The bytes before the audio. The room for 64-bit lengths is a JUNK chunk while RIFF's 32 bits
// suffice and becomes ds64 (RF64, EBU Tech 3306) when they do not, so the size of the header never
// changes. `more` are whole chunks that stand before the audio.
std::string WavHeader(int sample_rate_hz, int channels, SampleFormat format,
                      std::uint32_t channel_mask, std::uint64_t data_bytes,
                      WavLengths lengths = WavLengths::kAsNeeded, const std::string& more = "");

}  // namespace stemsmith
