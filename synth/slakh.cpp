#include "synth/slakh.h"

#include <algorithm>
#include <cmath>

#include "audio/encode.h"
#include "audio/loudness_meter.h"
#include "audio/quantize.h"
#include "core/decibel.h"
#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "core/text.h"
#include "synth/general_midi.h"
#include "synth/midi_file.h"
#include "synth/renderer.h"

namespace stemsmith::synth {
namespace {
namespace fs = std::filesystem;

constexpr double kNormalizationLufs = -13.0, kTargetPeakDb = -1.0;
constexpr int kSungProgram = 85;  // Lead 6 (voice)
constexpr int kEffectProgram = 119;

struct SlakhStem {
  std::string id;  // "S00"
  Part part;
  std::string plugin;  // what renders it; "None" where nothing does
  double loudness_lufs = 0;
  std::vector<float> audio;  // empty where there is none
  int program() const { return part.percussion ? kDrumProgram : part.program; }
};

// A sung line as an instrument: its melody.
Part MelodyOf(const SungLine& line, std::size_t index) {
  Part part;
  part.name = index == 0 ? "singer" : "second singer";
  part.stem = kVocals;
  part.program = kSungProgram;
  part.gain_db = line.gain_db;
  part.pan = line.pan;
  for (const Syllable& syllable : line.syllables) {
    part.notes.push_back(
        {syllable.start_seconds, syllable.length_seconds, syllable.key,
         std::clamp(static_cast<int>(std::lround(127 * syllable.loudness)), 1, 127)});
  }
  return part;
}

// A swell before every section.
Part Effects(const Song& song) {
  Part part;
  part.name = "effects";
  part.program = kEffectProgram;
  const double bar_seconds = song.beats_per_bar * 60.0 / song.tempo_bpm;
  for (const Section& section : song.sections)
    part.notes.push_back({section.first_bar * bar_seconds, bar_seconds, 60, 90});
  return part;
}

// One channel at a peak of 0.8, as the published generator has them before it measures loudness.
std::vector<float> ToMono(const AudioBuffer& stereo) {
  std::vector<float> mono(stereo.frames());
  for (std::size_t t = 0; t < mono.size(); ++t)
    mono[t] = 0.5f * (stereo.channel(0)[t] + stereo.channel(1)[t]);
  float peak = 0;
  for (const float sample : mono) peak = std::max(peak, std::abs(sample));
  if (peak < 1e-6f) return {};  // the font has no such sound
  for (float& sample : mono) sample *= 0.8f / peak;
  return mono;
}

std::vector<SlakhStem> RenderStems(const SongOrder& order) {
  const Song& song = order.song;
  std::vector<SlakhStem> stems;
  const auto add = [&](Part part, std::string plugin, std::vector<float> audio) {
    const double loudness = audio.empty() ? 0.0 : IntegratedLoudness(audio, kSampleRateHz);
    if (std::isinf(loudness)) audio.clear();
    stems.push_back({Formatted("S%02zu", stems.size()), std::move(part), std::move(plugin),
                     loudness, std::move(audio)});
  };
  const std::string font = order.sound_font.stem().string();
  for (const Part& part : song.parts) {
    if (part.notes.empty()) continue;
    const int program = part.percussion ? kDrumProgram : part.program;
    std::string plugin = SnakeCase(font + " " + ProgramName(program));
    if (part.percussion) plugin += "_kit_" + std::to_string(part.program);
    add(part, plugin + ".sf2", ToMono(RenderPart(song, part, order.sound_font)));
  }
  for (std::size_t i = 0; i < song.sung.size(); ++i) {
    if (song.sung[i].syllables.empty()) continue;
    add(MelodyOf(song.sung[i], i), "stemsmith_formant_singer", ToMono(RenderSinger(song, i)));
  }
  if (song.index % 2 == 1) add(Effects(song), "None", {});
  return stems;
}

// Brings the stems to their levels, rounds them to 16 bit, and sums them; returns overall_gain.
double MixStems(std::vector<SlakhStem>& stems, std::vector<float>& mix) {
  float peak = 0;
  for (SlakhStem& stem : stems) {
    const auto gain = static_cast<float>(GainFromDb(kNormalizationLufs - stem.loudness_lufs));
    mix.resize(std::max(mix.size(), stem.audio.size()));
    for (std::size_t t = 0; t < stem.audio.size(); ++t) {
      stem.audio[t] *= gain;
      mix[t] += stem.audio[t];
      // A stem may be louder than the sum of all: it must not clip either.
      peak = std::max(peak, std::abs(stem.audio[t]));
    }
  }
  for (const float sample : mix) peak = std::max(peak, std::abs(sample));
  const double target = GainFromDb(kTargetPeakDb);
  const double gain = peak >= target ? target / peak : 1.0;
  std::fill(mix.begin(), mix.end(), 0.0f);
  for (SlakhStem& stem : stems) {
    for (std::size_t t = 0; t < stem.audio.size(); ++t) {
      const auto sample = static_cast<float>(gain * stem.audio[t]);
      stem.audio[t] = static_cast<float>(QuantizeSample(sample, 16)) / 32768;
      mix[t] += stem.audio[t];
    }
  }
  return gain;
}

std::string Number(double value) {
  std::string number = Formatted("%.17g", value);
  if (number.find_first_of(".e") == std::string::npos) number += ".0";
  return number;
}

// The keys in the order in which the published files have them.
std::string Metadata(const Song& song, const std::string& uuid, double overall_gain,
                     const std::vector<SlakhStem>& stems) {
  const auto boolean = [](bool value) { return value ? "true\n" : "false\n"; };
  std::string text = "UUID: '" + uuid + "'\n";
  text += "audio_dir: stems\n";
  text += "lmd_midi_dir: stemsmith/" + song.name + "/" + uuid + ".mid\n";
  text += "midi_dir: MIDI\n";
  text += "normalization_factor: " + Number(kNormalizationLufs) + "\n";
  text += "normalized: true\n";
  text += "overall_gain: " + Number(overall_gain) + "\n";
  text += "stems:\n";
  for (const SlakhStem& stem : stems) {
    const bool rendered = !stem.audio.empty();
    text += "  " + stem.id + ":\n";
    text += std::string("    audio_rendered: ") + boolean(rendered);
    text += std::string("    inst_class: ") + InstrumentClass(stem.program()) + "\n";
    if (rendered) text += "    integrated_loudness: " + Number(stem.loudness_lufs) + "\n";
    text += std::string("    is_drum: ") + boolean(stem.part.percussion);
    text += std::string("    midi_program_name: ") + ProgramName(stem.program()) + "\n";
    text += std::string("    midi_saved: ") + boolean(stem.plugin != "None");
    text += "    plugin_name: " + stem.plugin + "\n";
    text += "    program_num: " + std::to_string(stem.program()) + "\n";
  }
  text += "target_peak: " + Number(kTargetPeakDb) + "\n";
  return text;
}

void WriteFlac(const fs::path& path, const std::vector<float>& samples) {
  AudioWriter writer(path, kSampleRateHz, 1, {.format = "flac"});
  writer.Write(samples.data(), samples.size());
  writer.Finish();
}

}  // namespace

std::vector<fs::path> PlaceInSlakh(const fs::path& root, const std::string& split,
                                   const std::string& song_name) {
  return {root / (split == "valid" ? "validation" : split) /
          Formatted("Track%05d", SongNumber(song_name))};
}

void WriteSlakhTrack(const std::vector<fs::path>& paths, const SongOrder& order) {
  const fs::path& path = paths.front();
  const Song& song = order.song;
  std::vector<SlakhStem> stems = RenderStems(order);
  std::vector<float> mix;
  const double overall_gain = MixStems(stems, mix);
  if (mix.empty()) {
    throw Error::Input("the sound font leaves every instrument silent", order.sound_font.string(),
                       "give a General MIDI .sf2 file, or install the Debian package "
                       "timgm6mb-soundfont");
  }
  RandomStream random({order.seed, static_cast<std::uint64_t>(song.index), 0x75756964});
  const std::uint64_t high = random.Bits(), low = random.Bits();
  const std::string uuid = HexHash(high) + HexHash(low);

  std::vector<const Part*> parts;
  for (const SlakhStem& stem : stems) parts.push_back(&stem.part);
  WriteFileAtomically(path / "all_src.mid", MidiFile(song, parts));
  for (const SlakhStem& stem : stems) {
    if (stem.plugin != "None")
      WriteFileAtomically(path / "MIDI" / (stem.id + ".mid"), MidiFile(song, {&stem.part}));
    if (!stem.audio.empty()) WriteFlac(path / "stems" / (stem.id + ".flac"), stem.audio);
  }
  WriteFlac(path / "mix.flac", mix);
  WriteFileAtomically(path / "metadata.yaml", Metadata(song, uuid, overall_gain, stems));
}

}  // namespace stemsmith::synth
