#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "synth/plan.h"

namespace stemsmith::synth {
namespace {

struct MotifNote {
  double offset, length;  // beats from the start of the phrase
  int move;               // in degrees of the scale, from the note before
};
using Motif = std::vector<MotifNote>;

// The rhythm and contour of one phrase; the last beats are left to breathe.
Motif MakeMotif(const Plan& plan, double phrase_beats, double density, RandomStream& random) {
  constexpr std::array<double, 4> kStarts{0, 0, 0.5, 1};
  constexpr std::array<double, 3> kRests{0.75, 1, 1.5};
  constexpr std::array<int, 10> kMoves{-2, -1, -1, -1, 0, 1, 1, 1, 2, 3};
  const double typical = plan.style->note_length / density;
  Motif motif;
  double at = Pick(kStarts, random);
  const double end = phrase_beats - Pick(kRests, random);
  while (at < end - 0.24) {
    // Halves and doubles of the typical length, on a grid of eighths (sixteenths where dense).
    double length = typical * std::exp2(random.Uniform(-0.9, 1.0));
    const double grid = length < 0.4 ? 0.25 : 0.5;
    length = std::max(grid, std::round(length / grid) * grid);
    if (at + length > end - 0.3) length = end - at;
    motif.push_back({at, length, Pick(kMoves, random)});
    at += length;
  }
  return motif;
}

// The chord tone nearest to a key.
int Snap(int key, const Chord& chord) {
  int best = key;
  int distance = 99;
  for (int candidate = key - 6; candidate <= key + 6; ++candidate) {
    for (const int tone : chord.tones) {
      if ((candidate - tone) % 12 == 0 && std::abs(candidate - key) < distance)
        distance = std::abs(candidate - key), best = candidate;
    }
  }
  return best;
}

}  // namespace

std::vector<MelodyNote> ComposeMelody(const Plan& plan, int low_key, int high_key,
                                      RandomStream random) {
  const int phrase_bars = plan.tempo_bpm > 120 || plan.beats_per_bar == 3 ? 4 : 2;
  const int octave = (low_key / 12) * 12;
  const int size = static_cast<int>(plan.scale.steps.size());
  // Motifs A, B, C per kind of section, sung again whenever the section comes back.
  std::vector<std::array<Motif, 3>> motifs(7);
  for (std::size_t kind = 0; kind < motifs.size(); ++kind) {
    const double density = random.Uniform(0.75, 1.25) * (phrase_bars == 4 ? 0.85 : 1.0);
    for (auto& motif : motifs[kind])
      motif = MakeMotif(plan, phrase_bars * plan.beats_per_bar, density, random);
  }
  constexpr std::array<std::array<int, 4>, 3> kOrders{{{0, 1, 0, 2}, {0, 0, 1, 0}, {0, 1, 2, 1}}};
  const auto& order = Pick(kOrders, random);
  const bool sings_intro = random.Chance(0.3);

  std::vector<MelodyNote> melody;
  for (const auto& section : plan.sections) {
    if (section.kind == SectionKind::kIntro && !sings_intro) continue;
    const bool chorus = section.kind == SectionKind::kChorus;
    // Verses lie low, choruses high.
    const double place = chorus ? 0.66 : section.kind == SectionKind::kBridge ? 0.55 : 0.4;
    const int center = low_key + static_cast<int>(place * (high_key - low_key));
    int start_degree = -size;
    while (plan.scale.Key(octave, start_degree) < center) ++start_degree;

    for (int phrase = 0; phrase * phrase_bars < section.bars; ++phrase) {
      const double phrase_beat =
          (section.first_bar + phrase * phrase_bars) * static_cast<double>(plan.beats_per_bar);
      const double section_end =
          (section.first_bar + section.bars) * static_cast<double>(plan.beats_per_bar);
      const Motif& motif = motifs[static_cast<int>(section.kind)][order[phrase % 4]];
      // The same motif gives the same line over the same chords.
      int degree = start_degree + (phrase % 2 == 1 ? 1 : 0);
      std::vector<MelodyNote> notes;
      for (const auto& note : motif) {
        const double beat = phrase_beat + note.offset;
        if (beat >= section_end - 0.5) break;
        degree += note.move;
        int key = plan.scale.Key(octave, degree) + section.transpose;
        while (key > high_key)
          degree -= 2, key = plan.scale.Key(octave, degree) + section.transpose;
        while (key < low_key) degree += 2, key = plan.scale.Key(octave, degree) + section.transpose;
        const bool strong = note.length >= 1 || std::fmod(note.offset, 2.0) < 0.01;
        if (strong) key = Snap(key, plan.ChordAt(beat));
        MelodyNote sung;
        sung.beat = beat;
        sung.length = std::min(note.length, section_end - 0.25 - beat);
        sung.key = std::clamp(key, low_key - 2, high_key + 2);
        sung.stress = 0.55 + 0.3 * section.energy + (strong ? 0.1 : 0.0);
        sung.chorus = chorus;
        notes.push_back(sung);
      }
      if (notes.empty()) continue;
      notes.front().starts_phrase = true;
      notes.back().ends_phrase = true;
      notes.back().key = Snap(notes.back().key, plan.ChordAt(notes.back().beat));
      melody.insert(melody.end(), notes.begin(), notes.end());
    }
  }
  if (melody.empty() || random.Chance(0.5)) {
    // The last chord is sung too.
    MelodyNote last;
    last.beat = plan.total_beats();
    last.length = plan.chords.back().length_beats * 0.7;
    last.key = Snap((low_key + high_key) / 2, plan.chords.back());
    last.stress = 0.8;
    last.starts_phrase = last.ends_phrase = true;
    melody.push_back(last);
  }
  return melody;
}

}  // namespace stemsmith::synth
