// Audio through AAC and back, in memory: what a listener gets after the codec, at the same place in
// time (the encoder's delay is taken out). libav does it, in the module that also decodes
// (audio/decode.h). Thread-safe: each call has an encoder and a decoder of its own. One version of
// libav gives the same samples for the same audio.
#pragma once

#include <cstddef>

namespace stemsmith {

// Loads the module. Throws Error that says `purpose` where this installation lacks it.
void RequireAac(const char* purpose);

// Replaces `channels` channels [C, T] (planar, C ≤ 8), encoded jointly at `bit_rate` bits per
// second (of all channels; held to what AAC allows). Throws Error for sample rates that AAC lacks.
void ThroughAac(float* planar, int channels, std::size_t frames, int sample_rate_hz, int bit_rate);

}  // namespace stemsmith
