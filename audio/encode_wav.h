// The header of wav files that may grow beyond 4 GiB. Private to core/.
#pragma once

#include <cstdint>
#include <string>

#include "audio/encode.h"

namespace stemsmith {

int BytesPerSample(SampleFormat format);

// The bytes before the audio. The room for 64-bit lengths is a JUNK chunk while RIFF's 32 bits
// suffice and becomes ds64 (RF64, EBU Tech 3306) when they do not, so the size of the header never
// changes.
std::string WavHeader(int sample_rate_hz, int channels, const EncodeOptions& options,
                      std::uint64_t data_bytes);

}  // namespace stemsmith
