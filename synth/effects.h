// The few effects that finish a stem. All work in place on stereo buffers [2, T] and are pure
// functions of their input. Thread-safe.
#pragma once

#include "audio/audio.h"

namespace stemsmith::synth {

struct ReverbOptions {
  double seconds = 1.2;  // until the tail is 60 dB down
  double damping = 0.4;  // 0 … 1: more takes the highs away sooner
  double wet_db = -14;   // relative to the dry sound
  double width = 0.7;    // 0 mono … 1
};
// Adds a feedback-delay reverberation.
void AddReverb(AudioBuffer& audio, int sample_rate_hz, const ReverbOptions& options);

// First-order shelves around 250 Hz and 3 kHz, and a high-pass at 20 Hz that takes out DC.
void Equalize(AudioBuffer& audio, int sample_rate_hz, double low_shelf_db, double high_shelf_db);

// Rounds off peaks above `threshold`, which is never exceeded by more than a factor of two.
void LimitSoftly(AudioBuffer& audio, double threshold);

// Makes the sides quieter where they are louder than `side_to_mid_db` relative to the middle: some
// patches of sound fonts are close to antiphase and would vanish in mono.
void LimitWidth(AudioBuffer& audio, double side_to_mid_db);

// Short fades so that the song starts and ends at zero.
void FadeEnds(AudioBuffer& audio, int sample_rate_hz, double in_seconds, double out_seconds);

double Rms(const AudioBuffer& audio);

}  // namespace stemsmith::synth
