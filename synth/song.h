// A composed song as plain data: what every instrument plays, what the singer sings, and how it is
// mixed. ComposeSong (composer.h) makes one, RenderSong (renderer.h) turns it into audio. Times are
// seconds from the start, keys are MIDI keys (60 = middle C), velocities 1–127.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace stemsmith::synth {

inline constexpr int kSampleRateHz = 44100;
enum StemIndex { kDrums, kBass, kOther, kVocals };
inline constexpr std::array<const char*, 4> kStemNames{"drums", "bass", "other", "vocals"};

struct Note {
  double start_seconds = 0, length_seconds = 0;
  int key = 60;
  int velocity = 90;
};

// A MIDI controller (number ≥ 0, value 0–127) or, with number = kPitchBend, a bend (value 0–16383,
// 8192 is none, range ± 2 semitones).
inline constexpr int kPitchBend = -1;
struct Control {
  double at_seconds = 0;
  int number = 0;
  int value = 0;
};

// One General MIDI instrument. Percussion parts take `program` as the drum kit.
struct Part {
  std::string name;  // "kit", "bass", "pad", …
  StemIndex stem = kOther;
  int program = 0;
  bool percussion = false;
  double gain_db = 0;                     // within its stem
  double pan = 0;                         // -1 left … 1 right
  int reverb_send = 40, chorus_send = 0;  // 0–127
  std::vector<Note> notes;                // by start
  std::vector<Control> controls;          // by time
};

enum class Vowel { kA, kE, kI, kO, kU, kSchwa };
inline constexpr int kVowels = 6;
enum class Consonant { kNone, kPlosive, kFricative, kNasal, kLiquid, kBreath };
inline constexpr int kConsonants = 6;

// One sung note. Syllables of a phrase follow each other; after `ends_phrase` the singer breathes.
struct Syllable {
  double start_seconds = 0, length_seconds = 0;
  int key = 60;
  double loudness = 0.8;  // 0 … 1
  Vowel vowel = Vowel::kA, end_vowel = Vowel::kA;
  Consonant consonant = Consonant::kNone;
  bool starts_phrase = false, ends_phrase = false;
};

// The voice of the formant synthesizer.
struct Singer {
  double tract_scale = 1.0;  // formant frequencies relative to a tenor's; above 1 a shorter tract
  double tilt = 1.1;         // harmonic h has amplitude h^-tilt; more is darker
  double air = 0.15;         // share of the source that passes above the formants
  double breath = 0.02;      // aspiration noise relative to the voice
  double vibrato_hz = 5.5, vibrato_cents = 35;
  double glide_seconds = 0.04;    // time constant between notes
  double scoop_semitones = 0.7;   // phrases start this far below
  double consonant_level = 0.15;  // noise of plosives and fricatives relative to the voice
};

// A melody line of one singer; a double or a harmony is another line.
struct SungLine {
  Singer singer;
  double gain_db = 0;
  double pan = 0;
  std::vector<Syllable> syllables;
};

// How a stem is finished. Levels are RMS of the whole stem relative to the song's common level.
struct StemMix {
  double level_db = 0;
  double low_shelf_db = 0, high_shelf_db = 0;  // below 250 Hz, above 3 kHz
  double reverb_room = 0.5, reverb_damp = 0.3, reverb_level = 0.5, reverb_width = 0.7;
  double drive = 0;  // 0 none … 1: soft limiting of peaks
};

enum class SectionKind { kIntro, kVerse, kPreChorus, kChorus, kBridge, kBreak, kOutro };
struct Section {
  SectionKind kind = SectionKind::kVerse;
  int first_bar = 0, bars = 0;
  double energy = 0.6;  // 0 … 1: density, loudness and register
  int transpose = 0;    // semitones (a last chorus may be lifted)
};

struct Song {
  int index = 0;     // 0-based
  std::string name;  // "song_001_a_minor_112bpm": unique in a data set, fit for a file name
  std::string key, mode, style;
  double tempo_bpm = 0;
  int beats_per_bar = 4, bars = 0;
  double seconds = 0;            // length of the audio
  double tuning_cents = 0;       // of all instruments
  double peak_db = -1;           // of the mixture, dBFS
  std::uint64_t noise_seed = 0;  // of what is random in rendering: jitter, breath
  std::vector<Section> sections;
  std::vector<Part> parts;
  std::vector<SungLine> sung;  // empty when General MIDI patches sing
  std::array<StemMix, 4> mix;  // by StemIndex
};

}  // namespace stemsmith::synth
