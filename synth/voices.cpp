// Who sings the melody: General MIDI voices or formant singers, alone or with harmonies.
#include <algorithm>
#include <array>
#include <cmath>

#include "synth/plan.h"

namespace stemsmith::synth {
namespace {

struct Register {
  int low, high;
  double tract_scale;
};
// Bass-baritone, tenor, alto, soprano.
constexpr std::array<Register, 4> kRegisters{
    {{43, 60, 0.94}, {48, 66, 1.0}, {55, 73, 1.12}, {59, 78, 1.19}}};

Singer MakeSinger(const Register& voice, RandomStream& random) {
  Singer singer;
  singer.tract_scale = voice.tract_scale * random.Uniform(0.95, 1.06);
  singer.tilt = random.Uniform(0.8, 1.25);
  singer.air = random.Uniform(0.05, 0.35);
  singer.breath = random.Uniform(0.005, 0.06);
  singer.vibrato_hz = random.Uniform(4.6, 6.4);
  singer.vibrato_cents = random.Uniform(10, 55);
  singer.glide_seconds = random.Uniform(0.015, 0.05);
  singer.scoop_semitones = random.Uniform(0.0, 1.5);
  singer.consonant_level = random.Uniform(0.12, 0.5);
  return singer;
}

std::vector<Syllable> MakeSyllables(const Plan& plan, const std::vector<MelodyNote>& melody,
                                    RandomStream random) {
  // Plosive and fricative onsets are the most common ones of sung text.
  constexpr std::array<Consonant, 12> kOnsets{
      Consonant::kNone,      Consonant::kNone,   Consonant::kPlosive, Consonant::kPlosive,
      Consonant::kPlosive,   Consonant::kNasal,  Consonant::kNasal,   Consonant::kLiquid,
      Consonant::kFricative, Consonant::kLiquid, Consonant::kBreath,  Consonant::kFricative};
  std::vector<Syllable> syllables;
  for (const auto& note : melody) {
    Syllable syllable;
    syllable.start_seconds =
        std::max(0.0, plan.Seconds(note.beat) + 0.012 * std::clamp(random.Normal(), -2.5, 2.5));
    syllable.length_seconds =
        plan.Seconds(note.beat + note.length * (note.ends_phrase ? 0.94 : 1.0)) -
        syllable.start_seconds;
    syllable.length_seconds =
        std::min(syllable.length_seconds, plan.seconds - 0.1 - syllable.start_seconds);
    if (syllable.length_seconds < 0.05) continue;
    syllable.key = note.key;
    syllable.loudness = std::clamp(note.stress + 0.06 * random.Normal(), 0.2, 1.0);
    syllable.vowel = static_cast<Vowel>(random.Below(kVowels));
    syllable.end_vowel =
        random.Chance(0.25) ? static_cast<Vowel>(random.Below(kVowels)) : syllable.vowel;
    syllable.consonant = Pick(kOnsets, random);
    syllable.starts_phrase = note.starts_phrase;
    syllable.ends_phrase = note.ends_phrase;
    syllables.push_back(syllable);
  }
  return syllables;
}

// The third (or sixth below) in the scale that fits the chord.
int HarmonyKey(const Plan& plan, const MelodyNote& note, bool above) {
  const Chord& chord = plan.ChordAt(note.beat);
  const int low = above ? 3 : -9;
  for (int offset = low; offset <= low + 6; ++offset) {
    for (const int tone : chord.tones)
      if ((note.key + offset - tone) % 12 == 0 && offset != 0) return note.key + offset;
  }
  return note.key + (above ? 12 : -12);
}

std::vector<MelodyNote> Harmony(const Plan& plan, const std::vector<MelodyNote>& melody,
                                bool above) {
  std::vector<MelodyNote> harmony;
  for (const auto& note : melody) {
    if (!note.chorus) continue;
    harmony.push_back(note);
    harmony.back().key = HarmonyKey(plan, note, above);
  }
  return harmony;
}

// A General MIDI voice: notes with scoops by pitch bend, vibrato by the modulation wheel and swells
// by expression.
Part MakeVoicePart(const Plan& plan, const std::vector<MelodyNote>& melody, int program,
                   RandomStream random) {
  constexpr int kModulation = 1, kExpression = 11;
  Part part;
  part.name = "voice";
  part.stem = kVocals;
  part.program = program;
  const int vibrato = static_cast<int>(random.Uniform(15, 60));
  const double scoop = random.Uniform(0, 3000);
  for (const auto& note : melody) {
    // Patches answer slowly: a little early, and overlapping within a phrase.
    AddNote(part.notes, plan, random, std::max(0.0, note.beat - 0.03),
            note.length * (note.ends_phrase ? 0.92 : 1.03), note.key, 45 + 70 * note.stress, 8.0);
    const double start = std::max(0.0, plan.Seconds(note.beat) - 0.03);
    const double length = plan.Seconds(note.beat + note.length) - start;
    const double depth = note.starts_phrase ? scoop : scoop * 0.3;
    for (int i = 0; i <= 5; ++i) {
      const double remaining = (1 - i / 5.0) * (1 - i / 5.0);
      part.controls.push_back(
          {start + 0.02 * i, kPitchBend, 8192 - static_cast<int>(std::lround(depth * remaining))});
    }
    part.controls.push_back({start, kModulation, 0});
    if (length > 0.45) {
      for (int i = 1; i <= 4; ++i)
        part.controls.push_back({start + 0.2 + 0.07 * i, kModulation, vibrato * i / 4});
    }
    for (int i = 0; i <= 6; ++i) {
      const double swell = 0.74 + 0.26 * std::sin(3.14159265 * (i + 0.5) / 7);
      part.controls.push_back(
          {start + length * i / 7, kExpression, static_cast<int>(std::lround(127 * swell))});
    }
  }
  std::stable_sort(part.controls.begin(), part.controls.end(),
                   [](const Control& a, const Control& b) { return a.at_seconds < b.at_seconds; });
  std::stable_sort(part.notes.begin(), part.notes.end(),
                   [](const Note& a, const Note& b) { return a.start_seconds < b.start_seconds; });
  return part;
}

}  // namespace

void AssignVoices(const Plan& plan, RandomStream random, Song& song) {
  constexpr int kChoirAahs = 52, kVoiceOohs = 53, kSynthVoice = 54, kLeadVoice = 85;
  constexpr std::array<int, 4> kLeads{kChoirAahs, kVoiceOohs, kSynthVoice, kLeadVoice};
  constexpr std::array<int, 3> kChoirs{kChoirAahs, kVoiceOohs, kSynthVoice};
  const bool formants = random.Chance(0.62);
  Register voice = Pick(kRegisters, random);
  if (!formants && voice.low < 53) voice.low += 12, voice.high += 12;  // patches growl down there
  const auto melody = ComposeMelody(plan, voice.low, voice.high, random.Fork(1));
  const bool above = random.Chance(0.6);
  const auto harmony = Harmony(plan, melody, above);

  if (formants) {
    SungLine lead{MakeSinger(voice, random), 0, random.Uniform(-0.06, 0.06),
                  MakeSyllables(plan, melody, random.Fork(2))};
    song.sung.push_back(lead);
    if (!harmony.empty() && random.Chance(0.6)) {
      // The same words, another pitch and another throat.
      auto words = MakeSyllables(plan, harmony, random.Fork(3));
      for (auto& syllable : words) {
        for (const auto& led : lead.syllables) {
          if (std::abs(led.start_seconds - syllable.start_seconds) > 0.08) continue;
          syllable.vowel = led.vowel;
          syllable.end_vowel = led.end_vowel;
          syllable.consonant = led.consonant;
        }
      }
      const double side = random.Chance(0.5) ? 1 : -1;
      song.sung.push_back({MakeSinger(voice, random), random.Uniform(-9, -4),
                           side * random.Uniform(0.15, 0.5), words});
    }
    if (!harmony.empty() && random.Chance(0.3)) {
      Part choir =
          MakeVoicePart(plan, Harmony(plan, melody, !above), Pick(kChoirs, random), random.Fork(4));
      choir.name = "choir";
      choir.gain_db = random.Uniform(-12, -7);
      choir.reverb_send = 70;
      song.parts.push_back(std::move(choir));
    }
  } else {
    Part lead = MakeVoicePart(plan, melody, Pick(kLeads, random), random.Fork(5));
    lead.pan = random.Uniform(-0.08, 0.08);
    lead.reverb_send = static_cast<int>(random.Uniform(20, 70));
    song.parts.push_back(std::move(lead));
    if (!harmony.empty() && random.Chance(0.5)) {
      Part second = MakeVoicePart(plan, harmony, Pick(kChoirs, random), random.Fork(6));
      second.name = "choir";
      second.gain_db = random.Uniform(-8, -3);
      second.pan = random.Uniform(-0.3, 0.3);
      second.reverb_send = 70;
      song.parts.push_back(std::move(second));
    }
  }
}

}  // namespace stemsmith::synth
