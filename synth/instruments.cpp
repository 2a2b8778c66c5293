#include "synth/instruments.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "core/decibel.h"
#include "core/error.h"
#include "synth/renderer.h"

namespace stemsmith::synth {
namespace {

constexpr float kPeak = 0.9f;
constexpr double kLevel = 0.1;  // RMS of an instrument, before its gain within the stem

// By General MIDI's groups of eight programs.
constexpr std::array<Instrument, 16> kInstruments{{
    {"piano", "grand piano", "piano"},
    {"percussion", "pitched percussion (mallets, glockenspiel, ...)", "vibraphone"},
    {"other_keys", "organ, electric organ", "electronic organ"},
    {"guitar", "clean electric guitar", "clean electric guitar"},
    {"bass", "bass guitar", "electric bass"},
    {"bowed_strings", "string section", "string section"},
    {"bowed_strings", "string section", "string section"},
    {"wind", "brass (trumpet, trombone, french horn, brass etc)", "brass section"},
    {"wind", "reeds (saxophone, clarinets, oboe, english horn, bagpipe)", "tenor saxophone"},
    {"wind", "flutes (piccolo, bamboo flute, panpipes, flutes etc)", "flute"},
    {"other_keys", "synth lead", "synthesizer"},
    {"other_keys", "synth pad", "synthesizer"},
    {"other_keys", "synth pad", "synthesizer"},
    {"other_plucked", "banjo, mandolin, ukulele, harp etc", "banjo"},
    {"percussion", "a-tonal percussion (claps, shakers, congas, cowbell etc)",
     "auxiliary percussion"},
    {"other", "fx/processed sound, scratches, gun shots, explosions etc", "fx/processed sound"},
}};

// By the keys of General MIDI's drum kits.
struct Piece {
  Instrument instrument;
  std::vector<int> keys;
};
const std::vector<Piece>& DrumPieces() {
  static const std::vector<Piece> pieces = {
      {{"drums", "kick drum", "kick drum"}, {35, 36}},
      {{"drums", "snare drum", "snare drum"}, {37, 38, 40}},
      {{"drums", "toms", "toms"}, {41, 43, 45, 47, 48, 50}},
      {{"drums", "cymbals", "cymbal"}, {42, 44, 46, 49, 51, 52, 53, 55, 57, 59}},
  };
  return pieces;
}
constexpr Instrument kPercussion{"percussion",
                                 "a-tonal percussion (claps, shakers, congas, cowbell etc)",
                                 "auxiliary percussion"};
constexpr Instrument kSingers{"vocals", "background vocals", "vocalists"};
constexpr Instrument kMan{"vocals", "lead male singer", "male singer", true};
constexpr Instrument kWoman{"vocals", "lead female singer", "female singer", true};

class Recording {
 public:
  explicit Recording(const SongOrder& order) : order_(order) {}

  void AddDrums(const Part& kit) {
    std::vector<Note> rest = kit.notes;
    for (const Piece& piece : DrumPieces()) {
      const auto of_piece = [&](const Note& note) {
        return std::find(piece.keys.begin(), piece.keys.end(), note.key) != piece.keys.end();
      };
      std::vector<Note> notes;
      std::copy_if(rest.begin(), rest.end(), std::back_inserter(notes), of_piece);
      std::erase_if(rest, of_piece);
      AddPart(kit, notes, piece.instrument);
    }
    AddPart(kit, rest, kPercussion);
  }

  void AddPart(const Part& part, const std::vector<Note>& notes, const Instrument& instrument) {
    if (notes.empty()) return;
    Part alone = part;
    alone.notes = notes;
    Add(instrument, RenderPart(order_.song, alone, order_.sound_font), part.gain_db);
  }

  void AddVoices() {
    const Song& song = order_.song;
    bool has_lead = false;
    const auto instrument = [&](bool high) {
      return std::exchange(has_lead, true) ? kSingers : high ? kWoman : kMan;
    };
    for (std::size_t i = 0; i < song.sung.size(); ++i) {
      if (song.sung[i].syllables.empty()) continue;
      Add(instrument(song.sung[i].singer.tract_scale > 1.08), RenderSinger(song, i),
          song.sung[i].gain_db);
    }
    for (const Part& part : song.parts) {
      if (part.stem == kVocals) AddPart(part, part.notes, instrument(true));
    }
  }

  std::vector<Instrument> Balanced() {
    float peak = 0;
    std::vector<float> sum;
    for (const Instrument& instrument : instruments_) {
      sum.resize(instrument.audio.samples().size());
      for (std::size_t i = 0; i < sum.size(); ++i)
        sum[i] += std::abs(instrument.audio.samples()[i]);
    }
    for (const float sample : sum) peak = std::max(peak, sample);
    for (Instrument& instrument : instruments_) {
      for (float& sample : instrument.audio.samples()) sample *= kPeak / peak;
    }
    return std::move(instruments_);
  }

 private:
  void Add(Instrument instrument, AudioBuffer audio, double gain_db) {
    double energy = 0;
    for (const float sample : audio.samples()) energy += double(sample) * sample;
    const double rms = std::sqrt(energy / static_cast<double>(audio.samples().size()));
    if (!(rms > 1e-5)) return;
    const auto gain = static_cast<float>(kLevel * GainFromDb(gain_db) / rms);
    for (float& sample : audio.samples()) sample *= gain;
    instrument.audio = std::move(audio);
    instruments_.push_back(std::move(instrument));
  }

  const SongOrder& order_;
  std::vector<Instrument> instruments_;
};

}  // namespace

std::vector<Instrument> RenderInstruments(const SongOrder& order) {
  Recording recording(order);
  for (const Part& part : order.song.parts) {
    if (part.percussion) recording.AddDrums(part);
  }
  for (const Part& part : order.song.parts) {
    if (part.percussion || part.stem == kVocals) continue;
    recording.AddPart(part, part.notes, kInstruments[static_cast<std::size_t>(part.program) / 8]);
  }
  recording.AddVoices();
  std::vector<Instrument> instruments = recording.Balanced();
  if (instruments.empty()) {
    throw Error::Input("the sound font leaves every instrument silent", order.sound_font.string(),
                       "give a General MIDI .sf2 file, or install the Debian package "
                       "timgm6mb-soundfont");
  }
  return instruments;
}

}  // namespace stemsmith::synth
