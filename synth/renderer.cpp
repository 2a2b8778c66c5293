#include "synth/renderer.h"

#include <algorithm>
#include <cmath>

#include "core/decibel.h"
#include "core/error.h"
#include "core/random.h"
#include "synth/effects.h"
#include "synth/fluid.h"
#include "synth/singer.h"

namespace stemsmith::synth {
namespace {

void Scale(AudioBuffer& audio, double gain) {
  for (float& sample : audio.samples()) sample = static_cast<float>(sample * gain);
}

std::size_t FrameCount(const Song& song) {
  return static_cast<std::size_t>(std::llround(song.seconds * kSampleRateHz));
}

// The formant singers first … last - 1, each placed in the stereo picture, in a common room.
AudioBuffer RenderSingers(const Song& song, std::size_t first, std::size_t last) {
  const std::size_t frames = FrameCount(song);
  AudioBuffer audio(2, frames);
  std::vector<float> mono(frames);
  for (std::size_t i = first; i < last; ++i) {
    const SungLine& line = song.sung[i];
    std::fill(mono.begin(), mono.end(), 0.0f);
    RenderSungLine(line, song.tuning_cents, kSampleRateHz, RandomStream({song.noise_seed, i}),
                   mono);
    const auto left = static_cast<float>(std::sqrt(0.5 * (1.0 - line.pan)));
    const auto right = static_cast<float>(std::sqrt(0.5 * (1.0 + line.pan)));
    for (std::size_t t = 0; t < frames; ++t) {
      audio.channel(0)[t] += left * mono[t];
      audio.channel(1)[t] += right * mono[t];
    }
  }
  const StemMix& mix = song.mix[kVocals];
  AddReverb(audio, kSampleRateHz,
            {0.5 + 1.6 * mix.reverb_room, mix.reverb_damp, -24.0 + 10.0 * mix.reverb_level,
             mix.reverb_width});
  return audio;
}

// What comes after the instruments: the same for a stem and for a part of it.
void FinishStem(const Song& song, const StemMix& mix, double rms, AudioBuffer& audio) {
  LimitWidth(audio, -3.0);
  if (mix.drive > 0) LimitSoftly(audio, rms * (6.0 - 3.0 * mix.drive));
  FadeEnds(audio, kSampleRateHz, 0.002, std::min(0.5, 0.1 * song.seconds));
}

AudioBuffer RenderStem(const Song& song, StemIndex stem, const std::filesystem::path& sound_font) {
  std::vector<const Part*> parts;
  for (const auto& part : song.parts)
    if (part.stem == stem) parts.push_back(&part);
  const StemMix& mix = song.mix[stem];
  AudioBuffer audio = RenderParts(parts, mix, song.tuning_cents, FrameCount(song), sound_font);
  if (stem == kVocals && !song.sung.empty()) {
    AudioBuffer singers = RenderSingers(song, 0, song.sung.size());
    // Backing parts keep their distance from the lead, however loud the patch is.
    const double lead = Rms(singers), backing = Rms(audio);
    const double gain = backing > 0 && lead > 0 ? 0.35 * lead / backing : 1.0;
    for (std::size_t i = 0; i < audio.samples().size(); ++i) {
      audio.samples()[i] = static_cast<float>(gain * audio.samples()[i]) + singers.samples()[i];
    }
  }
  Equalize(audio, kSampleRateHz, mix.low_shelf_db, mix.high_shelf_db);
  const double rms = Rms(audio);
  if (!(rms > 1e-5)) {
    throw Error::Input(
        std::string("the sound font leaves the stem ") + kStemNames[stem] + " silent",
        sound_font.string(),
        "give a General MIDI .sf2 file with drum kits, or install the Debian package "
        "timgm6mb-soundfont");
  }
  FinishStem(song, mix, rms, audio);
  Scale(audio, GainFromDb(mix.level_db) / std::max(Rms(audio), 1e-9));
  return audio;
}

// From audio with this peak to steps of 16 bits. Peaks of these songs are measured against the
// largest step, 32767, and not against full scale, 32768 (audio/quantize.h): songs keep their bytes
// from version to version, and with them the caches that were made of them.
double StepsPerUnit(const Song& song, float peak) {
  return 32767.0 * GainFromDb(song.peak_db) / peak;
}

}  // namespace

RenderedSong RenderSong(const Song& song, const std::filesystem::path& sound_font) {
  RenderedSong rendered;
  rendered.frames = FrameCount(song);
  std::array<AudioBuffer, 4> stems;
  for (std::size_t s = 0; s < stems.size(); ++s)
    stems[s] = RenderStem(song, static_cast<StemIndex>(s), sound_font);

  // One gain for the whole song, so that neither the mixture nor a stem reaches full scale.
  float peak = 0;
  const std::size_t samples = stems[0].samples().size();
  for (std::size_t i = 0; i < samples; ++i) {
    float sum = 0;
    for (const auto& stem : stems) {
      sum += stem.samples()[i];
      peak = std::max(peak, std::abs(stem.samples()[i]));
    }
    peak = std::max(peak, std::abs(sum));
  }
  const double gain = StepsPerUnit(song, peak);
  rendered.mixture.assign(samples, 0);
  for (std::size_t s = 0; s < stems.size(); ++s) {
    rendered.stems[s].resize(samples);
    for (int c = 0; c < 2; ++c) {
      const float* in = stems[s].channel(c);
      for (std::size_t t = 0; t < rendered.frames; ++t) {
        const auto value = static_cast<std::int16_t>(std::lrint(gain * in[t]));
        rendered.stems[s][2 * t + c] = value;
        // Cannot overflow: peak_db leaves more room than four roundings need.
        rendered.mixture[2 * t + c] =
            static_cast<std::int16_t>(rendered.mixture[2 * t + c] + value);
      }
    }
    stems[s] = AudioBuffer();
  }
  return rendered;
}

std::vector<std::int16_t> RenderTake(const Song& song, StemIndex stem,
                                     const std::filesystem::path& sound_font) {
  const AudioBuffer audio = RenderStem(song, stem, sound_font);
  float peak = 0;
  for (const float sample : audio.samples()) peak = std::max(peak, std::abs(sample));
  const double gain = StepsPerUnit(song, peak);
  std::vector<std::int16_t> take(audio.samples().size());
  for (int c = 0; c < 2; ++c) {
    for (std::size_t t = 0; t < audio.frames(); ++t)
      take[2 * t + c] = static_cast<std::int16_t>(std::lrint(gain * audio.channel(c)[t]));
  }
  return take;
}

AudioBuffer RenderPart(const Song& song, const Part& part,
                       const std::filesystem::path& sound_font) {
  const StemMix& mix = song.mix[part.stem];
  AudioBuffer audio = RenderParts({&part}, mix, song.tuning_cents, FrameCount(song), sound_font);
  Equalize(audio, kSampleRateHz, mix.low_shelf_db, mix.high_shelf_db);
  FinishStem(song, mix, Rms(audio), audio);
  return audio;
}

AudioBuffer RenderSinger(const Song& song, std::size_t line) {
  const StemMix& mix = song.mix[kVocals];
  AudioBuffer audio = RenderSingers(song, line, line + 1);
  Equalize(audio, kSampleRateHz, mix.low_shelf_db, mix.high_shelf_db);
  FinishStem(song, mix, Rms(audio), audio);
  return audio;
}

}  // namespace stemsmith::synth
