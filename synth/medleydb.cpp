#include "synth/medleydb.h"

#include <algorithm>
#include <cmath>

#include "audio/encode.h"
#include "core/decibel.h"
#include "core/files.h"
#include "core/text.h"
#include "synth/instruments.h"

namespace stemsmith::synth {
namespace {

namespace fs = std::filesystem;

constexpr double kMasteringDb = 2, kRawDb = -6;

struct Stem {
  std::string instrument, component;
  std::vector<const Instrument*> recordings;
};

// Recordings of the kit make one stem, those of singers in the background another.
std::vector<Stem> StemsOf(const std::vector<Instrument>& instruments) {
  std::vector<Stem> stems;
  for (const Instrument& instrument : instruments) {
    const std::string group = instrument.moisesdb_stem;
    const bool shared = group == "drums" || (group == "vocals" && !instrument.lead);
    const std::string name = group == "drums" ? "drum set" : instrument.medleydb_instrument;
    if (!shared || stems.empty() || stems.back().instrument != name) {
      stems.push_back({name, instrument.lead ? "melody" : group == "bass" ? "bass" : "", {}});
    }
    stems.back().recordings.push_back(&instrument);
  }
  return stems;
}

AudioBuffer Sum(const Stem& stem) {
  AudioBuffer sum = stem.recordings.front()->audio;
  for (std::size_t r = 1; r < stem.recordings.size(); ++r) {
    const AudioBuffer& audio = stem.recordings[r]->audio;
    for (std::size_t i = 0; i < audio.samples().size(); ++i) sum.samples()[i] += audio.samples()[i];
  }
  return sum;
}

AudioBuffer Raw(const AudioBuffer& stereo) {
  AudioBuffer mono(1, stereo.frames());
  const auto gain = static_cast<float>(GainFromDb(kRawDb) / 2);
  for (std::size_t t = 0; t < mono.frames(); ++t)
    mono.channel(0)[t] = gain * (stereo.channel(0)[t] + stereo.channel(1)[t]);
  return mono;
}

void Master(AudioBuffer& mixture) {
  const auto gain = static_cast<float>(GainFromDb(kMasteringDb));
  for (float& sample : mixture.samples()) sample = std::tanh(gain * sample);
}

// The keys in the order in which the published files have them.
std::string Head(const Song& song, const std::string& name) {
  return "album: stemsmith demo songs\nartist: stemsmith\ncomposer:\n- stemsmith\nexcerpt: 'no'\n"
         "genre: " +
         song.style + "\nhas_bleed: 'no'\ninstrumental: 'no'\nmix_filename: " + name +
         "_MIX.wav\norigin: stemsmith\nproducer:\n- stemsmith\nraw_dir: " + name +
         "_RAW\nstem_dir: " + name + "_STEMS\nstems:\n";
}

}  // namespace

std::string MedleyDbName(const std::string& song_name) {
  std::string name = "Stemsmith_";
  bool starts = true;
  for (const char c : song_name) {
    if (c != '_') name += starts && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    starts = c == '_';
  }
  return name;
}

std::vector<fs::path> PlaceInMedleyDb(const fs::path& root, const std::string&,
                                      const std::string& song_name) {
  const std::string name = MedleyDbName(song_name);
  return {root / "Audio" / name, root / "Metadata" / (name + "_METADATA.yaml")};
}

void WriteMedleyDbSong(const std::vector<fs::path>& paths, const SongOrder& order) {
  const fs::path& folder = paths[0];
  const std::string name = MedleyDbName(order.song.name);
  const fs::path stem_folder = folder / (name + "_STEMS"), raw_folder = folder / (name + "_RAW");
  fs::create_directories(stem_folder);
  fs::create_directories(raw_folder);
  const std::vector<Instrument> instruments = RenderInstruments(order);
  const std::vector<Stem> stems = StemsOf(instruments);
  std::string metadata = Head(order.song, name);
  AudioBuffer mixture(2, instruments.front().audio.frames());
  for (std::size_t s = 0; s < stems.size(); ++s) {
    const Stem& stem = stems[s];
    const std::string number = Formatted("%02zu", s + 1);
    const std::string file = name + "_STEM_" + number + ".wav";
    const AudioBuffer audio = Sum(stem);
    WriteAudio(stem_folder / file, audio, kSampleRateHz);
    for (std::size_t i = 0; i < audio.samples().size(); ++i)
      mixture.samples()[i] += audio.samples()[i];
    metadata += "  S" + number +
                ":\n    component: " + (stem.component.empty() ? "''" : stem.component) +
                "\n    filename: " + file + "\n    instrument: " + stem.instrument + "\n    raw:\n";
    for (std::size_t r = 0; r < stem.recordings.size(); ++r) {
      const std::string raw_number = Formatted("%02zu", r + 1);
      const std::string raw_file = name + "_RAW_" + number + "_" + raw_number + ".wav";
      WriteAudio(raw_folder / raw_file, Raw(stem.recordings[r]->audio), kSampleRateHz);
      metadata += "      R" + raw_number + ":\n        filename: " + raw_file +
                  "\n        instrument: " + stem.recordings[r]->medleydb_instrument + "\n";
    }
  }
  Master(mixture);
  WriteAudio(folder / (name + "_MIX.wav"), mixture, kSampleRateHz);
  WriteFileAtomically(
      paths[1], metadata + "title: " + order.song.name + "\nversion: 1.2\n" + "website:\n- ''\n");
}

}  // namespace stemsmith::synth
