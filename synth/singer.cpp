#include "synth/singer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/decibel.h"

namespace stemsmith::synth {
namespace {

constexpr int kFormants = 5;
constexpr int kControlFrames = 64;  // frames between updates of pitch and formants
constexpr double kTwoPi = 2.0 * std::numbers::pi;

using FormantSet = std::array<double, kFormants>;

// Formants of an adult male voice in Hz (after Peterson and Barney 1952 for the first three; the
// upper two as usual for sung voices), for a e i o u and the neutral vowel.
constexpr std::array<FormantSet, kVowels> kVowelFormants{{{730, 1090, 2440, 3200, 4100},
                                                          {500, 1840, 2480, 3250, 4150},
                                                          {290, 2250, 2950, 3400, 4200},
                                                          {540, 860, 2410, 3150, 4000},
                                                          {320, 880, 2240, 3100, 3950},
                                                          {500, 1350, 2400, 3200, 4050}}};
constexpr FormantSet kNasalFormants{270, 1000, 2300, 3100, 4000};
constexpr FormantSet kLiquidFormants{360, 1150, 2550, 3200, 4100};
constexpr FormantSet kBandwidths{80, 95, 130, 180, 240};
// What makes vowels about equally loud.
constexpr std::array<double, kVowels> kVowelGain{1.0, 1.15, 1.5, 1.1, 1.5, 1.1};

// A stretch of time with constant targets.
struct Stretch {
  double until_seconds = 0;
  double key = 60;
  double voice = 0;       // amplitude of the glottal source
  double aspiration = 0;  // noise through the formants
  double noise = 0;       // noise past the formants …
  double noise_hz = 5000;
  double noise_bandwidth_hz = 2000;
  FormantSet formants = kVowelFormants[0];
  bool note_begins = false;    // vibrato starts again
  bool phrase_begins = false;  // pitch jumps instead of gliding
};

FormantSet Scaled(const FormantSet& formants, double scale) {
  FormantSet scaled = formants;
  for (double& hz : scaled) hz *= scale;
  return scaled;
}

std::vector<Stretch> MakeStretches(const SungLine& line, RandomStream& random) {
  const Singer& singer = line.singer;
  std::vector<Stretch> stretches;
  double now = 0;
  const auto append = [&](Stretch stretch, double until) {
    if (until <= now) return;
    stretch.until_seconds = now = until;
    stretches.push_back(stretch);
  };
  for (const auto& syllable : line.syllables) {
    if (syllable.start_seconds + syllable.length_seconds <= now + 0.02) continue;
    const double space = std::min(0.5 * syllable.length_seconds, 0.14);
    double onset = 0;  // length of the consonant, sung ahead of the beat
    switch (syllable.consonant) {
      case Consonant::kNone:
        break;
      case Consonant::kPlosive:
        onset = std::min(0.07, space);
        break;
      case Consonant::kFricative:
        onset = std::min(random.Uniform(0.07, 0.13), space);
        break;
      case Consonant::kNasal:
        onset = std::min(0.08, space);
        break;
      case Consonant::kLiquid:
        onset = std::min(0.06, space);
        break;
      case Consonant::kBreath:
        onset = std::min(0.07, space);
        break;
    }
    Stretch base;
    base.key = syllable.key;
    base.formants = Scaled(kVowelFormants[static_cast<int>(syllable.vowel)], singer.tract_scale);
    const double begin = std::max(now, syllable.start_seconds - onset);
    // Up to here the syllable before rings on, or nobody sings.
    if (begin > now) {
      Stretch gap = stretches.empty() || syllable.starts_phrase ? base : stretches.back();
      gap.note_begins = gap.phrase_begins = false;
      if (stretches.empty() || syllable.starts_phrase || begin - now > 0.15)
        gap.voice = gap.aspiration = gap.noise = 0;
      append(gap, begin);
    }
    base.phrase_begins = syllable.starts_phrase;
    const double loudness = syllable.loudness;
    const double noise = singer.consonant_level * (0.5 + 0.5 * loudness);
    const double vowel_begin = begin + onset;
    Stretch start = base;
    switch (syllable.consonant) {
      case Consonant::kNone:
        break;
      case Consonant::kPlosive:
        append(start, begin + 0.6 * onset);  // closure: silence
        start.phrase_begins = false;
        start.noise = 1.3 * noise;
        start.noise_hz = random.Uniform(900, 4800);
        start.noise_bandwidth_hz = start.noise_hz * 0.7;
        append(start, begin + 0.85 * onset);
        start.noise = 0;
        start.aspiration = 0.5 * noise;
        append(start, vowel_begin);
        break;
      case Consonant::kFricative:
        start.noise = noise;
        start.noise_hz =
            random.Chance(0.6) ? random.Uniform(5500, 8500) : random.Uniform(2200, 4200);
        start.noise_bandwidth_hz = start.noise_hz * 0.45;
        append(start, vowel_begin);
        break;
      case Consonant::kNasal:
        start.voice = 0.45 * loudness;
        start.formants = Scaled(kNasalFormants, singer.tract_scale);
        append(start, vowel_begin);
        break;
      case Consonant::kLiquid:
        start.voice = 0.6 * loudness;
        start.formants = Scaled(kLiquidFormants, singer.tract_scale);
        append(start, vowel_begin);
        break;
      case Consonant::kBreath:
        start.aspiration = 0.8 * noise;
        append(start, vowel_begin);
        break;
    }
    Stretch vowel = base;
    vowel.phrase_begins = base.phrase_begins && syllable.consonant == Consonant::kNone;
    vowel.note_begins = true;
    vowel.voice = loudness * kVowelGain[static_cast<int>(syllable.vowel)];
    vowel.aspiration = singer.breath * loudness;
    const double end = syllable.start_seconds + syllable.length_seconds;
    append(vowel, vowel_begin + 0.6 * (end - vowel_begin));
    vowel.note_begins = vowel.phrase_begins = false;
    vowel.voice = loudness * kVowelGain[static_cast<int>(syllable.end_vowel)];
    vowel.formants =
        Scaled(kVowelFormants[static_cast<int>(syllable.end_vowel)], singer.tract_scale);
    append(vowel, end);
  }
  Stretch silence = stretches.empty() ? Stretch{} : stretches.back();
  silence.voice = silence.aspiration = silence.noise = 0;
  silence.note_begins = silence.phrase_begins = false;
  append(silence, 1e9);
  return stretches;
}

// One period of the source with harmonics 1 … n of amplitude h^-tilt, for growing n: band-limited
// at every pitch.
class GlottalTables {
 public:
  GlottalTables(double tilt, int sample_rate_hz) : limit_hz_(0.45 * sample_rate_hz) {
    int harmonic = 1;
    std::array<double, kSize> sum{};
    for (int table = 0; table < kTables; ++table) {
      for (; harmonic <= Harmonics(table); ++harmonic) {
        // sin(h x) by rotation, which is much cheaper than as many calls of sin.
        const double amplitude = std::pow(harmonic, -tilt);
        const double step = kTwoPi * harmonic / kSize;
        const double cosine = std::cos(step), sine = std::sin(step);
        double re = 1, im = 0;
        for (int i = 0; i < kSize; ++i) {
          sum[i] += amplitude * im;
          const double next = re * cosine - im * sine;
          im = re * sine + im * cosine;
          re = next;
        }
      }
      for (int i = 0; i <= kSize; ++i) tables_[table][i] = static_cast<float>(sum[i % kSize]);
    }
  }

  // Which two tables serve this pitch, and how far between them.
  void Choose(double hz, int* table, float* fade) const {
    const double wanted = std::log2(std::max(1.0, limit_hz_ / hz)) * kPerOctave;
    const double at = std::clamp(wanted - 1.0, 0.0, kTables - 1.001);
    *table = static_cast<int>(at);
    *fade = static_cast<float>(at - *table);
  }

  float At(int table, float fade, double phase) const {  // phase in [0, 1)
    const double position = phase * kSize;
    const int i = static_cast<int>(position);
    const auto part = static_cast<float>(position - i);
    const auto& low = tables_[table];
    const auto& high = tables_[table + 1];
    const float a = low[i] + part * (low[i + 1] - low[i]);
    const float b = high[i] + part * (high[i + 1] - high[i]);
    return a + fade * (b - a);
  }

 private:
  static constexpr int kSize = 2048, kPerOctave = 2, kTables = 17;
  static int Harmonics(int table) {
    return static_cast<int>(std::exp2(static_cast<double>(table) / kPerOctave));
  }
  double limit_hz_;
  std::array<std::array<float, kSize + 1>, kTables> tables_;
};

// A resonator with unit gain at 0 Hz (Klatt 1980).
struct Resonator {
  float a = 1, b = 0, c = 0, y1 = 0, y2 = 0;
  void Tune(double hz, double bandwidth_hz, double rate) {
    const double radius = std::exp(-std::numbers::pi * bandwidth_hz / rate);
    c = static_cast<float>(-radius * radius);
    b = static_cast<float>(2 * radius * std::cos(kTwoPi * std::min(hz, 0.45 * rate) / rate));
    a = 1.0f - b - c;
  }
  float Next(float x) {
    const float y = a * x + b * y1 + c * y2 + 1e-18f;
    y2 = y1;
    y1 = y;
    return y;
  }
};

// A band-pass with gain 1 at its centre.
struct BandPass {
  float b = 0, a1 = 0, a2 = 0, x1 = 0, x2 = 0, y1 = 0, y2 = 0;
  void Tune(double hz, double bandwidth_hz, double rate) {
    const double omega = kTwoPi * std::min(hz, 0.45 * rate) / rate;
    const double alpha = std::sin(omega) * bandwidth_hz / (2.0 * hz);
    b = static_cast<float>(alpha / (1.0 + alpha));
    a1 = static_cast<float>(-2.0 * std::cos(omega) / (1.0 + alpha));
    a2 = static_cast<float>((1.0 - alpha) / (1.0 + alpha));
  }
  float Next(float x) {
    const float y = b * (x - x2) - a1 * y1 - a2 * y2 + 1e-18f;
    x2 = x1;
    x1 = x;
    y2 = y1;
    y1 = y;
    return y;
  }
};

}  // namespace

void RenderSungLine(const SungLine& line, double tuning_cents, int sample_rate_hz,
                    RandomStream random, std::span<float> out) {
  if (line.syllables.empty()) return;
  const Singer& singer = line.singer;
  const double rate = sample_rate_hz;
  const double tick_seconds = kControlFrames / rate;
  const auto approach = [&](double seconds) { return 1.0 - std::exp(-tick_seconds / seconds); };
  const auto stretches = MakeStretches(line, random);
  const GlottalTables tables(singer.tilt, sample_rate_hz);
  const double gain = GainFromDb(line.gain_db);

  std::array<Resonator, kFormants> resonators;
  BandPass burst;
  FormantSet formants = stretches.front().formants;
  double key = stretches.front().key;
  double voice = 0, aspiration = 0, noise = 0;
  double phase = 0, vibrato_phase = random.Uniform(), note_seconds = 0;
  double jitter = 0, jitter_target = 0, shimmer = 1;
  int jitter_ticks = 0;
  float darkness = 0, low_band = 0;
  const auto air = static_cast<float>(singer.air);
  const auto air_filter = static_cast<float>(1.0 - std::exp(-kTwoPi * 4500.0 / rate));
  std::size_t at = 0;
  std::uint64_t noise_state = random.Bits() | 1;
  float voice_now = 0, aspiration_now = 0, noise_now = 0;

  for (std::size_t frame = 0; frame < out.size(); frame += kControlFrames) {
    const double seconds = static_cast<double>(frame) / rate;
    while (seconds >= stretches[at].until_seconds) {
      ++at;
      if (stretches[at].phrase_begins) key = stretches[at].key - singer.scoop_semitones;
      if (stretches[at].note_begins) note_seconds = 0;
    }
    const Stretch& target = stretches[at];
    // Nothing sounds and nothing rings: skip the rest.
    if (target.voice + target.aspiration + target.noise == 0 && voice < 1e-4 && noise < 1e-4 &&
        aspiration < 1e-4) {
      voice = aspiration = noise = 0;
      voice_now = aspiration_now = noise_now = 0;
      for (auto& resonator : resonators) resonator.y1 = resonator.y2 = 0;
      burst = {};
      key = target.key;
      formants = target.formants;
      continue;
    }
    note_seconds += tick_seconds;
    key += (target.key - key) * approach(singer.glide_seconds);
    for (int i = 0; i < kFormants; ++i)
      formants[i] += (target.formants[i] - formants[i]) * approach(0.028);
    voice += (target.voice - voice) * approach(target.voice > voice ? 0.018 : 0.035);
    aspiration += (target.aspiration - aspiration) * approach(0.012);
    noise += (target.noise - noise) * approach(target.noise > noise ? 0.004 : 0.01);

    // Pitch: vibrato sets in after a fifth of a second; jitter is a slow random drift.
    if (jitter_ticks-- <= 0) {
      jitter_target = 6.0 * random.Normal();
      shimmer = 1.0 + 0.03 * random.Normal();
      jitter_ticks = static_cast<int>(0.04 / tick_seconds);
    }
    jitter += (jitter_target - jitter) * approach(0.03);
    const double onset = std::clamp((note_seconds - 0.18) / 0.3, 0.0, 1.0);
    vibrato_phase += singer.vibrato_hz * tick_seconds;
    const double vibrato = std::sin(kTwoPi * vibrato_phase);
    const double cents = tuning_cents + jitter + singer.vibrato_cents * onset * onset * vibrato;
    const double hz = 440.0 * std::exp2((key - 69.0 + cents / 100.0) / 12.0);
    int table;
    float fade;
    tables.Choose(hz, &table, &fade);
    const double step = hz / rate;

    // High notes open the mouth: the first formant does not fall below the pitch, and is wider, so
    // that no harmonic on top of it shouts.
    resonators[0].Tune(std::max(formants[0], 1.05 * hz), kBandwidths[0] - 20 + 0.2 * hz, rate);
    for (int i = 1; i < kFormants; ++i) resonators[i].Tune(formants[i], kBandwidths[i], rate);
    burst.Tune(target.noise_hz, target.noise_bandwidth_hz, rate);
    // Louder is brighter.
    const auto bright = static_cast<float>(
        1.0 - std::exp(-kTwoPi * (2000.0 + 7000.0 * std::min(1.0, voice)) / rate));
    const double tremble = shimmer * (1.0 + 0.06 * onset * vibrato);

    const int frames = static_cast<int>(std::min<std::size_t>(kControlFrames, out.size() - frame));
    const auto voice_step = static_cast<float>(voice * tremble - voice_now) / kControlFrames;
    const auto aspiration_step = static_cast<float>(aspiration - aspiration_now) / kControlFrames;
    const auto noise_step = static_cast<float>(noise - noise_now) / kControlFrames;
    for (int i = 0; i < frames; ++i) {
      noise_state ^= noise_state << 13;  // xorshift64 (Marsaglia 2003)
      noise_state ^= noise_state >> 7;
      noise_state ^= noise_state << 17;
      const float white =
          static_cast<float>(static_cast<std::int32_t>(noise_state >> 32)) * 0x1.0p-31f;
      voice_now += voice_step;
      aspiration_now += aspiration_step;
      noise_now += noise_step;
      darkness += bright * (tables.At(table, fade, phase) - darkness);
      // Breath is strongest while the glottis is open.
      const auto open = static_cast<float>(0.4 + 1.2 * std::min(phase, 1.0 - phase));
      const float source = voice_now * darkness + aspiration_now * open * white;
      float x = source;
      for (auto& resonator : resonators) x = resonator.Next(x);
      // Five resonators leave nothing above 5 kHz, where voices still have air.
      low_band += air_filter * (source - low_band) + 1e-18f;
      x += air * (source - low_band);
      out[frame + i] += static_cast<float>(gain) * (0.25f * x + noise_now * burst.Next(white));
      phase += step;
      if (phase >= 1.0) phase -= 1.0;
    }
  }
}

}  // namespace stemsmith::synth
