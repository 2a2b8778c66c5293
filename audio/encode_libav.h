// Files of the mp4 family, which libav writes in the module that also decodes (audio/decode.h). One
// version of libav gives the same bytes for the same audio: no time stamps, no version strings. An
// edit list tells encoder delay and length. Private to audio/.
#pragma once

#include <cstddef>
#include <memory>

#include "audio/encode_backend.h"

namespace stemsmith {

enum class LibavCodec { kAac, kAlac };

// Throws Error where this installation lacks the module.
std::unique_ptr<Encoder> OpenLibav(const EncodeJob& job, LibavCodec codec);

// The signature of `stemsmith_open_encoder`, which libstemsmith_libav.so exports. The caller owns
// the result.
using OpenEncoderFunction = Encoder*(const EncodeJob& job, LibavCodec codec);

// What ThroughAac calls, exported as `stemsmith_through_aac`.
using ThroughAacFunction = void(float* planar, int channels, std::size_t frames, int sample_rate_hz,
                                int bit_rate);

}  // namespace stemsmith
