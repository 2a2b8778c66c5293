#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "synth/plan.h"

namespace stemsmith::synth {
namespace {

enum class Role { kPad, kComp, kArpeggio, kStrum, kStabs, kCounter };

// General MIDI programs by role. Voices (52–54, 85, 91) and basses are left to their own stems.
const std::vector<int>& Programs(Role role) {
  static const std::vector<int> kPads{48, 49, 50, 51, 88, 89, 90, 92, 94, 95, 99, 19, 16, 18, 21};
  static const std::vector<int> kComps{0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 4, 26, 62, 90};
  static const std::vector<int> kArpeggios{0,  4,  8,  11, 12, 24,  25, 45,
                                           46, 80, 81, 88, 98, 108, 15};
  static const std::vector<int> kStrums{24, 25, 26, 27, 28, 29, 30, 105, 25, 27};
  static const std::vector<int> kStabChoices{61, 62, 63, 48, 55, 17, 81};
  static const std::vector<int> kCounters{11, 22, 40, 42, 56, 57, 60, 64, 65,
                                          66, 68, 71, 73, 75, 80, 81, 82, 29};
  switch (role) {
    case Role::kPad:
      return kPads;
    case Role::kComp:
      return kComps;
    case Role::kArpeggio:
      return kArpeggios;
    case Role::kStrum:
      return kStrums;
    case Role::kStabs:
      return kStabChoices;
    case Role::kCounter:
      return kCounters;
  }
  return kPads;
}

const char* Name(Role role) {
  constexpr const char* kNames[] = {"pad", "comp", "arpeggio", "strum", "stabs", "counter"};
  return kNames[static_cast<int>(role)];
}

// One layer of the accompaniment.
class Layer {
 public:
  Layer(const Plan& plan, Role role, double threshold, RandomStream random)
      : plan_(plan), role_(role), threshold_(threshold), random_(random) {
    part_.name = Name(role);
    part_.stem = kOther;
    part_.program = Pick(Programs(role), random_);
    part_.reverb_send = static_cast<int>(random_.Uniform(15, 75));
    part_.chorus_send = random_.Chance(0.35) ? static_cast<int>(random_.Uniform(20, 80)) : 0;
    center_ = static_cast<int>(random_.Uniform(55, 68));
    if (role == Role::kArpeggio && random_.Chance(0.5)) center_ += 12;
    if (role == Role::kCounter) center_ += 7;
    pattern_ = Pick(plan.style->comp, random_);
    loud_pattern_ = Pick(plan.style->comp, random_);
    arpeggio_shape_ = static_cast<int>(random_.Below(4));
    arpeggio_step_ = random_.Chance(0.6) ? 0.5 : 0.25;
    arpeggio_octaves_ = random_.Chance(0.5) ? 2 : 1;
    gate_ = random_.Uniform(0.55, 0.98);
    strum_ms_ = random_.Uniform(8, 24);
    for (int i = 0; i < 6; ++i) {
      const int step = static_cast<int>(random_.Below(4)) - 1;
      riff_.push_back({random_.Chance(0.6) ? 0.5 : 1.0, step == 0 ? -2 : step});
    }
  }

  Part Play() {
    for (const auto& section : plan_.sections) {
      if (section.energy < threshold_) continue;
      for (int bar = 0; bar < section.bars; ++bar) PlayBar(section, bar);
    }
    if (role_ != Role::kCounter) {
      const Chord& last = plan_.chords.back();
      PlayChord(last, last.start_beat, last.length_beats * 0.95, 92);
    }
    std::stable_sort(part_.notes.begin(), part_.notes.end(), [](const Note& a, const Note& b) {
      return a.start_seconds < b.start_seconds;
    });
    return std::move(part_);
  }

 private:
  void PlayChord(const Chord& chord, double beat, double length, double velocity) {
    auto keys = Voice(chord, center_);
    if (role_ == Role::kStrum && keys.size() < 4) keys.push_back(keys.front() + 12);
    if (role_ == Role::kStrum && part_.program >= 29 && part_.program <= 30) {
      // Distorted guitars play the root, its fifth and octave.
      const int root = 40 + (chord.tones[0] - 40 % 12 + 12) % 12;
      keys = {root, root + 7, root + 12};
    }
    const double strum_beats = role_ == Role::kStrum ? strum_ms_ * 1e-3 * plan_.tempo_bpm / 60 : 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const double late = std::min(strum_beats * static_cast<double>(i), 0.5 * length);
      AddNote(part_.notes, plan_, random_, beat + late, length - late, keys[i], velocity,
              role_ == Role::kStrum ? 1.0 : 4.0);
    }
  }

  void PlayPattern(const char* pattern, double bar_beat, double velocity) {
    const int steps = static_cast<int>(std::strlen(pattern));
    for (int step = 0; step < steps; ++step) {
      const char mark = pattern[step];
      if (mark != 'X' && mark != 'x') continue;
      int hold = 1;
      while (step + hold < steps && pattern[step + hold] == '-') ++hold;
      const double beat = bar_beat + 0.25 * step;
      const Chord& chord = plan_.ChordAt(beat);
      const double left = chord.start_beat + chord.length_beats - beat;
      const double length = std::min(0.25 * hold * (hold > 1 ? gate_ : 0.9), left);
      PlayChord(chord, beat, length, velocity + (mark == 'X' ? 6 : -8));
    }
  }

  void PlayArpeggio(double bar_beat, double velocity) {
    const int notes = static_cast<int>(plan_.beats_per_bar / arpeggio_step_);
    for (int i = 0; i < notes; ++i) {
      const double beat = bar_beat + i * arpeggio_step_;
      const auto keys = Voice(plan_.ChordAt(beat), center_);
      const int size = static_cast<int>(keys.size()) * arpeggio_octaves_;
      int at = i % size;
      if (arpeggio_shape_ == 1) at = size - 1 - at;
      if (arpeggio_shape_ == 2) {
        const int turn = std::max(1, 2 * size - 2);
        at = i % turn;
        if (at >= size) at = turn - at;
      }
      if (arpeggio_shape_ == 3) at = (i * 2 + (i / size) % 2) % size;
      const int base = static_cast<int>(keys.size());
      AddNote(part_.notes, plan_, random_, beat, arpeggio_step_ * gate_,
              keys[at % base] + 12 * (at / base), velocity + (i % 4 == 0 ? 8 : 0));
    }
  }

  void PlayRiff(const Section& section, int bar, double velocity) {
    // Answers the singer: in the second half of every other bar, all along where nobody sings.
    const bool alone = section.kind == SectionKind::kIntro || section.kind == SectionKind::kBreak;
    if (!alone && bar % 2 == 0) return;
    const double bar_beat = (section.first_bar + bar) * plan_.beats_per_bar;
    double beat = bar_beat + (alone ? 0 : plan_.beats_per_bar / 2.0);
    int index = 0;
    std::size_t i = alone ? 0 : riff_.size() / 2;
    while (beat < bar_beat + plan_.beats_per_bar - 0.01) {
      const auto [length, step] = riff_[i++ % riff_.size()];
      auto keys = Voice(plan_.ChordAt(beat), center_);
      keys.push_back(keys.front() + 12);
      index = std::clamp(index + step, 0, static_cast<int>(keys.size()) - 1);
      AddNote(part_.notes, plan_, random_, beat, length * gate_, keys[index], velocity + 4);
      beat += length;
    }
  }

  void PlayBar(const Section& section, int bar) {
    const double bar_beat = (section.first_bar + bar) * plan_.beats_per_bar;
    const double velocity = 62 + 34 * section.energy;
    const bool loud = section.energy > 0.85;
    switch (role_) {
      case Role::kPad:
        for (const auto& chord : plan_.chords) {
          if (chord.start_beat < bar_beat - 1e-6 ||
              chord.start_beat > bar_beat + plan_.beats_per_bar - 0.5)
            continue;
          PlayChord(chord, chord.start_beat, chord.length_beats * 0.98, velocity - 6);
        }
        break;
      case Role::kComp:
      case Role::kStrum:
        PlayPattern(loud ? loud_pattern_ : pattern_, bar_beat, velocity);
        break;
      case Role::kArpeggio:
        PlayArpeggio(bar_beat, velocity);
        break;
      case Role::kStabs: {
        const bool four = plan_.beats_per_bar == 4;
        PlayPattern(bar % 2 == 0 ? (four ? "X...........x.x." : "X...........")
                                 : (four ? "......X.....X--." : "....X---...."),
                    bar_beat, velocity + 4);
        break;
      }
      case Role::kCounter:
        PlayRiff(section, bar, velocity);
        break;
    }
  }

  struct RiffNote {
    double length;
    int step;
  };
  const Plan& plan_;
  const Role role_;
  const double threshold_;
  RandomStream random_;
  Part part_;
  int center_, arpeggio_shape_, arpeggio_octaves_;
  double arpeggio_step_, gate_, strum_ms_;
  const char *pattern_, *loud_pattern_;
  std::vector<RiffNote> riff_;
};

}  // namespace

std::vector<Part> PlayAccompaniment(const Plan& plan, RandomStream random) {
  // The first layer carries every section, the others come in as the song gets louder.
  constexpr std::array<Role, 5> kFirst{Role::kComp, Role::kComp, Role::kStrum, Role::kArpeggio,
                                       Role::kPad};
  std::vector<Role> roles{Pick(kFirst, random)};
  std::vector<Role> more{Role::kPad,   Role::kComp,  Role::kArpeggio,
                         Role::kStrum, Role::kStabs, Role::kCounter};
  Shuffle(more, random);
  const std::size_t layers = 2 + random.Below(3);
  for (const Role role : more)
    if (roles.size() < layers && role != roles.front()) roles.push_back(role);

  std::vector<Part> parts;
  double side = random.Chance(0.5) ? 1 : -1;
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const double threshold = i == 0 ? 0 : random.Uniform(0.45, 0.9);
    Layer layer(plan, roles[i], threshold, random.Fork(i));
    Part part = layer.Play();
    part.gain_db = i == 0 ? 0 : random.Uniform(-5, 1);
    part.pan = roles[i] == Role::kPad ? random.Uniform(-0.15, 0.15)
                                      : (side = -side) * random.Uniform(0.1, 0.7);
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace stemsmith::synth
