// Uncompressed files: a header of fixed size, which is written again when the length is known, and
// the samples. Private to audio/
// but for who writes to a pipe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "audio/encode_backend.h"

namespace stemsmith {

int BytesPerSample(SampleFormat format);
// `value` behind `out`, little-endian.
void AppendBytes(std::string& out, std::uint64_t value, int bytes);
// The same, big-endian.
void AppendBigEndian(std::string& out, std::uint64_t value, int bytes);

// WAVE's description of the samples, 16 bytes, 18, or 40 with `extensible` (with the channel mask).
std::string WaveFormat(int sample_rate_hz, int channels, SampleFormat format,
                       std::uint32_t channel_mask, bool extensible);

// The bytes before the audio of this many bytes.
using PcmHeader = std::function<std::string(std::uint64_t data_bytes)>;
// Audio data are filled up to a multiple of `alignment` (8 at most).
std::unique_ptr<Encoder> OpenPcm(const EncodeJob& job, PcmHeader header, int alignment);

}  // namespace stemsmith
