// The instruments of a song one by one, named as datasets of recordings name them: the pieces of
// the drum kit, each part, each singer.
#pragma once

#include <string>
#include <vector>

#include "audio/audio.h"
#include "synth/song_order.h"

namespace stemsmith::synth {

struct Instrument {
  const char* moisesdb_stem = "";        // "other_keys", as its folders are called
  const char* moisesdb_instrument = "";  // "synth pad", of MoisesDB's taxonomy
  const char* medleydb_instrument = "";  // "synthesizer", of MedleyDB's taxonomy
  bool lead = false;                     // the singer in front
  AudioBuffer audio;                     // [2, T] at kSampleRateHz
};

// In the order drums, the parts, voices. Balanced; no sum of any of them exceeds a peak of 0.9.
// Instruments that the sound font leaves silent are left out; throws Error when that is true of
// all. Thread-safe.
std::vector<Instrument> RenderInstruments(const SongOrder& order);

}  // namespace stemsmith::synth
