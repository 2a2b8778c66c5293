#include <algorithm>
#include <array>
#include <cstring>

#include "synth/plan.h"

namespace stemsmith::synth {
namespace {

constexpr int kLowest = 28;  // E1, the lowest string of a bass guitar

// The lowest key of a pitch class on the instrument, from `lowest` up.
int LowKey(int pitch_class, int lowest) { return lowest + (pitch_class - lowest % 12 + 12) % 12; }

int KeyFor(char mark, const Chord& chord, const Chord& next, int lowest, RandomStream& random) {
  const int root = LowKey(chord.tones[0], lowest);
  switch (mark) {
    case '3':
      return root + (chord.tones[1] - chord.tones[0] + 12) % 12;
    case '5': {
      const int fifth = root + (chord.tones[2] - chord.tones[0] + 12) % 12;
      return fifth > lowest + 14 ? fifth - 12 : fifth;
    }
    case '8':
      return root + 12;
    case 'a': {  // a half or whole tone beside the root to come
      const int target = LowKey(next.tones[0], lowest);
      const std::array<int, 3> steps{-1, 1, -2};
      return std::max(lowest, target + Pick(steps, random));
    }
    default:
      return root;
  }
}

}  // namespace

Part PlayBass(const Plan& plan, RandomStream random) {
  const Style& style = *plan.style;
  Part part;
  part.name = "bass";
  part.stem = kBass;
  const bool acoustic = style.kits.front() == 32;
  constexpr std::array<int, 10> kElectric{33, 33, 34, 34, 35, 36, 37, 38, 39, 32};
  constexpr std::array<int, 3> kJazz{32, 32, 35};
  part.program = acoustic ? Pick(kJazz, random) : Pick(kElectric, random);
  part.reverb_send = static_cast<int>(random.Uniform(0, 18));
  part.chorus_send = random.Chance(0.2) ? 40 : 0;
  part.pan = random.Uniform(-0.08, 0.08);

  const int lowest = kLowest + static_cast<int>(random.Below(5));
  const double gate = random.Uniform(0.8, 0.98);
  const char* verse = Pick(style.bass, random);
  const char* chorus = Pick(style.bass, random);
  const char* quiet = style.beats_per_bar == 4 ? "R---------------" : "R-----------";
  const bool quiet_held = random.Chance(0.6);

  for (const auto& section : plan.sections) {
    const bool loud = section.energy > 0.85;
    const char* pattern = loud ? chorus : section.energy < 0.52 && quiet_held ? quiet : verse;
    const int steps = static_cast<int>(std::strlen(pattern));
    for (int bar = 0; bar < section.bars; ++bar) {
      const double bar_beat = (section.first_bar + bar) * plan.beats_per_bar;
      for (int step = 0; step < steps; ++step) {
        const char mark = pattern[step];
        if (mark == '.' || mark == '-') continue;
        int hold = 1;
        while (step + hold < steps && pattern[step + hold] == '-') ++hold;
        const double beat = bar_beat + step * 0.25;
        const Chord& chord = plan.ChordAt(beat);
        const Chord& next = plan.ChordAt(bar_beat + plan.beats_per_bar);
        // A held note follows a change of chord in the middle of the bar.
        const double chord_end = chord.start_beat + chord.length_beats;
        const double length = std::min(hold * 0.25, chord_end - beat);
        const double velocity = 68 + 32 * section.energy + (step % 4 == 0 ? 6 : 0);
        AddNote(part.notes, plan, random, beat, length * gate,
                KeyFor(mark, chord, next, lowest, random), velocity, 3.0);
        const double rest = hold * 0.25 - length;
        if (rest > 0.4) {
          AddNote(part.notes, plan, random, chord_end, rest * gate,
                  KeyFor('R', plan.ChordAt(chord_end), next, lowest, random), velocity, 3.0);
        }
      }
    }
  }
  const Chord& last = plan.chords.back();
  AddNote(part.notes, plan, random, last.start_beat, last.length_beats * 0.9,
          LowKey(last.tones[0], lowest), 100, 2.0);
  return part;
}

}  // namespace stemsmith::synth
