// A singing voice by formant synthesis: a band-limited glottal source with glide, vibrato and
// jitter runs through five resonators in a row that move from vowel to vowel; consonants are bursts
// of filtered noise, closures and nasal murmurs. Thread-safe.
#pragma once

#include <span>

#include "core/random.h"
#include "synth/song.h"

namespace stemsmith::synth {

// Adds the line, mono, to `out` (T frames from the start of the song).
void RenderSungLine(const SungLine& line, double tuning_cents, int sample_rate_hz,
                    RandomStream random, std::span<float> out);

}  // namespace stemsmith::synth
