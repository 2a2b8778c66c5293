#include "synth/plan.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace stemsmith::synth {
namespace {

constexpr std::array<const char*, 12> kKeyNames{"c", "d_flat", "d", "e_flat", "e", "f", "f_sharp",
                                                "g", "a_flat", "a", "b_flat", "b"};

struct Mode {
  const char* name;
  std::vector<int> steps;
  int weight;
  std::vector<std::array<int, 4>> progressions;  // degrees of the chords' roots
};

const std::vector<Mode>& Modes() {
  static const std::vector<Mode> modes = {
      {"major",
       {0, 2, 4, 5, 7, 9, 11},
       8,
       {{0, 4, 5, 3},
        {0, 5, 3, 4},
        {5, 3, 0, 4},
        {0, 3, 4, 3},
        {1, 4, 0, 5},
        {0, 2, 3, 4},
        {3, 4, 2, 5},
        {0, 3, 0, 4},
        {0, 0, 3, 4},
        {3, 0, 4, 5}}},
      {"minor",
       {0, 2, 3, 5, 7, 8, 10},
       8,
       {{0, 5, 2, 6},
        {0, 6, 5, 6},
        {0, 3, 4, 0},
        {0, 5, 3, 4},
        {0, 2, 6, 3},
        {0, 3, 6, 2},
        {5, 6, 0, 0},
        {0, 4, 5, 3}}},
      {"dorian",
       {0, 2, 3, 5, 7, 9, 10},
       3,
       {{0, 3, 0, 3}, {0, 6, 3, 0}, {0, 1, 3, 0}, {0, 2, 3, 0}, {0, 6, 2, 3}}},
      {"mixolydian",
       {0, 2, 4, 5, 7, 9, 10},
       3,
       {{0, 6, 3, 0}, {0, 4, 6, 3}, {0, 6, 0, 6}, {0, 3, 6, 0}, {3, 0, 6, 0}}},
      {"lydian", {0, 2, 4, 6, 7, 9, 11}, 1, {{0, 1, 0, 1}, {0, 1, 4, 0}, {0, 4, 1, 0}}},
      {"phrygian", {0, 1, 3, 5, 7, 8, 10}, 1, {{0, 1, 0, 1}, {0, 1, 2, 1}, {0, 5, 1, 0}}},
  };
  return modes;
}

const Mode& PickMode(RandomStream& random) {
  int total = 0;
  for (const auto& mode : Modes()) total += mode.weight;
  int at = static_cast<int>(random.Below(total));
  for (const auto& mode : Modes())
    if ((at -= mode.weight) < 0) return mode;
  return Modes().front();
}

double Energy(SectionKind kind) {
  switch (kind) {
    case SectionKind::kIntro:
      return 0.45;
    case SectionKind::kVerse:
      return 0.62;
    case SectionKind::kPreChorus:
      return 0.76;
    case SectionKind::kChorus:
      return 1.0;
    case SectionKind::kBridge:
      return 0.6;
    case SectionKind::kBreak:
      return 0.4;
    case SectionKind::kOutro:
      return 0.5;
  }
  return 0.6;
}

// The form: an intro, a cycle of verses, choruses and the like cut to the bars there are, an outro.
std::vector<Section> MakeSections(int bars, RandomStream& random) {
  static const std::vector<const char*> kBodies = {"VCVCBC", "VPCVPCBCC", "VVCVCKC",
                                                   "CVCVBC", "VCKVCBC",   "VPCKVPCC"};
  const int unit = bars >= 48 ? 8 : bars >= 10 ? 4 : std::max(1, bars / 2);
  const bool framed = bars >= 10;  // room for intro and outro
  std::vector<Section> sections;
  int at = 0;
  const auto append = [&](SectionKind kind, int length) {
    const double energy = std::clamp(Energy(kind) + 0.05 * random.Normal(), 0.3, 1.0);
    sections.push_back({kind, at, length, energy, 0});
    at += length;
  };
  if (framed && random.Chance(0.8)) append(SectionKind::kIntro, unit / 2);
  const int outro = framed && random.Chance(0.75) ? unit / 2 : 0;
  const std::string body = Pick(kBodies, random);
  for (std::size_t i = 0; at < bars - outro; ++i) {
    const char letter = body[i % body.size()];
    const SectionKind kind = letter == 'V'   ? SectionKind::kVerse
                             : letter == 'P' ? SectionKind::kPreChorus
                             : letter == 'C' ? SectionKind::kChorus
                             : letter == 'B' ? SectionKind::kBridge
                                             : SectionKind::kBreak;
    int length = letter == 'P' || letter == 'K' ? std::max(1, unit / 2) : unit;
    const int left = bars - outro - at;
    // No section of a single leftover bar.
    if (left - length < 2) length = left;
    append(kind, length);
  }
  if (outro > 0) append(SectionKind::kOutro, outro);
  if (random.Chance(0.12)) {  // the last chorus is lifted
    for (auto section = sections.rbegin(); section != sections.rend(); ++section) {
      if (section->kind != SectionKind::kChorus) continue;
      if (section->first_bar > bars / 2) {
        for (auto& other : sections)
          if (other.first_bar >= section->first_bar) other.transpose = 2;
      }
      break;
    }
  }
  return sections;
}

}  // namespace

int Scale::Key(int octave_base, int degree) const {
  const int size = static_cast<int>(steps.size());
  const int octave = degree >= 0 ? degree / size : -((size - 1 - degree) / size);
  return octave_base + tonic + 12 * octave + steps[degree - octave * size];
}

double Plan::Seconds(double beat) const {
  const double pair = 2 * style->swing_unit;
  const double whole = std::floor(beat / pair) * pair;
  double part = (beat - whole) / pair;
  part = part < 0.5 ? part * 2 * swing : swing + (part - 0.5) * 2 * (1 - swing);
  return (whole + part * pair) * 60.0 / tempo_bpm;
}

const Chord& Plan::ChordAt(double beat) const {
  const Chord* found = &chords.front();
  for (const auto& chord : chords)
    if (chord.start_beat <= beat + 1e-6) found = &chord;
  return *found;
}

const Section& Plan::SectionOfBar(int bar) const {
  for (const auto& section : sections)
    if (bar < section.first_bar + section.bars) return section;
  return sections.back();
}

Plan MakePlan(RandomStream random, double seconds, std::string* key_name, std::string* mode_name) {
  Plan plan;
  plan.style = &Pick(Styles(), random);
  const Mode& mode = PickMode(random);
  plan.scale = {static_cast<int>(random.Below(12)), mode.steps};
  *key_name = kKeyNames[plan.scale.tonic];
  *mode_name = mode.name;
  plan.beats_per_bar = plan.style->beats_per_bar;
  plan.swing = random.Uniform(plan.style->swing_low, plan.style->swing_high);
  plan.seconds = seconds;

  // The tempo gives way a little so that whole bars and a ringing last chord fill the length.
  const double wanted = random.Uniform(plan.style->tempo_low, plan.style->tempo_high);
  const double tail = std::min(3.0, seconds * random.Uniform(0.03, 0.1));
  const double bar_seconds = plan.beats_per_bar * 60.0 / wanted;
  plan.bars = std::max(2, static_cast<int>(std::lround((seconds - tail) / bar_seconds)));
  plan.tempo_bpm = plan.bars * plan.beats_per_bar * 60.0 / (seconds - tail);
  plan.sections = MakeSections(plan.bars, random);

  // One progression per kind of section, the same each time it comes back.
  std::vector<std::array<int, 4>> progressions;
  for (int kind = 0; kind < 7; ++kind) progressions.push_back(Pick(mode.progressions, random));
  if (random.Chance(0.4)) {
    progressions[static_cast<int>(SectionKind::kChorus)] =
        progressions[static_cast<int>(SectionKind::kVerse)];
  }
  const bool leading_tone = mode.name == std::string("minor") && random.Chance(0.5);
  const bool quick_changes = plan.beats_per_bar == 4 && random.Chance(0.3);
  const double seventh = plan.style->seventh_chance;
  std::array<bool, 7> has_seventh{};
  for (auto& flag : has_seventh) flag = random.Chance(seventh);

  const auto chord_on = [&](int degree, int transpose) {
    Chord chord;
    for (int third = 0; third < (has_seventh[degree] ? 4 : 3); ++third)
      chord.tones.push_back((plan.scale.Key(0, degree + 2 * third) + transpose + 24) % 12);
    if (leading_tone && degree == 4) chord.tones[1] = (chord.tones[0] + 4) % 12;
    return chord;
  };
  for (const auto& section : plan.sections) {
    const auto& progression = progressions[static_cast<int>(section.kind)];
    for (int bar = 0; bar < section.bars; ++bar) {
      Chord chord = chord_on(progression[bar % 4], section.transpose);
      chord.start_beat = (section.first_bar + bar) * plan.beats_per_bar;
      chord.length_beats = plan.beats_per_bar;
      if (quick_changes && bar % 4 == 3) {
        chord.length_beats = 2;
        plan.chords.push_back(chord);
        Chord second = chord_on((progression[3] + 2) % 7, section.transpose);
        second.start_beat = chord.start_beat + 2;
        second.length_beats = 2;
        plan.chords.push_back(second);
      } else {
        plan.chords.push_back(chord);
      }
    }
  }
  Chord last = chord_on(0, plan.sections.back().transpose);
  last.start_beat = plan.total_beats();
  last.length_beats = tail * plan.tempo_bpm / 60.0;
  plan.chords.push_back(last);
  return plan;
}

std::vector<int> Voice(const Chord& chord, int center) {
  std::vector<int> keys;
  for (const int tone : chord.tones) {
    int key = center - 6;
    key += (tone - key % 12 + 24) % 12;
    keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

void AddNote(std::vector<Note>& notes, const Plan& plan, RandomStream& random, double beat,
             double length_beats, int key, double velocity, double timing_ms) {
  const double jitter = timing_ms * 1e-3 * random.Normal();
  const double dynamics = 4.0 * random.Normal();
  const double start = std::max(0.0, plan.Seconds(beat) + jitter);
  const double end = std::min(plan.Seconds(beat + length_beats) + jitter, plan.seconds - 0.05);
  if (end - start < 0.02) return;
  notes.push_back({start, end - start, std::clamp(key, 0, 127),
                   std::clamp(static_cast<int>(std::lround(velocity + dynamics)), 1, 127)});
}

}  // namespace stemsmith::synth
