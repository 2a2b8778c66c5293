#include <algorithm>
#include <cmath>
#include <cstring>

#include "synth/plan.h"

namespace stemsmith::synth {
namespace {

// General MIDI percussion keys.
enum Drum {
  kKick = 36,
  kKickAlternative = 35,
  kRim = 37,
  kSnare = 38,
  kClap = 39,
  kSnareAlternative = 40,
  kClosedHat = 42,
  kPedalHat = 44,
  kOpenHat = 46,
  kCrash = 49,
  kRide = 51,
  kRideBell = 53,
  kTambourine = 54,
  kCowbell = 56,
  kCrashAlternative = 57,
  kHighConga = 63,
  kLowConga = 64,
  kCabasa = 69,
  kMaracas = 70,
  kClaves = 75,
};

struct Overlay {  // an extra instrument in the louder sections
  int key;
  const char* pattern4;
  const char* pattern3;
  double velocity;
};
constexpr Overlay kOverlays[] = {
    {kTambourine, "..x...x...x...x.", "..x...x...x.", 62},
    {kTambourine, "....X.......X...", "....X...X...", 70},
    {kCabasa, "xoxoxoxoxoxoxoxo", "xoxoxoxoxoxo", 60},
    {kMaracas, "x.x.x.x.x.x.x.x.", "x.x.x.x.x.x.", 64},
    {kCowbell, "x...x...x...x...", "x...x...x...", 52},
    {kClap, "....X.......X...", "........X...", 74},
    {kClaves, "x..x..x...x.x...", "x...x.x.....", 58},
    {kHighConga, "..x..x..x...x.x.", "..x.x...x.x.", 70},
    {kLowConga, "......xx......xx", "....xx....xx", 70},
};

class Drummer {
 public:
  Drummer(const Plan& plan, RandomStream random) : plan_(plan), random_(random) {
    const Style& style = *plan.style;
    part_.name = "kit";
    part_.stem = kDrums;
    part_.percussion = true;
    part_.program = Pick(style.kits, random_);
    part_.reverb_send = static_cast<int>(random_.Uniform(8, 55));
    for (auto& groove : grooves_) {
      groove = {Pick(style.kicks, random_), Pick(style.snares, random_), Pick(style.hats, random_)};
    }
    kick_ = random_.Chance(0.75) ? kKick : kKickAlternative;
    snare_ = random_.Chance(0.7) ? kSnare : kSnareAlternative;
    verse_snare_ = random_.Chance(0.2) ? kRim : snare_;
    loud_cymbal_ = random_.Chance(0.45) ? kRide : random_.Chance(0.5) ? kOpenHat : kClosedHat;
    for (const auto& overlay : kOverlays) {
      if (random_.Chance(0.17)) overlays_.push_back(&overlay);
    }
    intro_bare_ = random_.Chance(0.5);
    fill_ = static_cast<int>(random_.Below(4));
    steps_ = plan.beats_per_bar * 4;
  }

  Part Play() {
    for (const auto& section : plan_.sections) {
      for (int bar = 0; bar < section.bars; ++bar) PlayBar(section, bar);
    }
    // The last chord: kick and cymbal, left to ring.
    Hit(plan_.total_beats(), kick_, 108);
    Hit(plan_.total_beats(), kCrash, 100);
    std::stable_sort(part_.notes.begin(), part_.notes.end(), [](const Note& a, const Note& b) {
      return a.start_seconds < b.start_seconds;
    });
    return std::move(part_);
  }

 private:
  struct Groove {
    const char *kick, *snare, *hat;
  };

  void Hit(double beat, int key, double velocity) {
    AddNote(part_.notes, plan_, random_, beat, key == kCrash || key == kCrashAlternative ? 2 : 0.2,
            key, velocity, 2.5);
  }

  void PlayPattern(const char* pattern, int from, int to, double bar_beat, int key,
                   double velocity) {
    for (int step = from; step < to && pattern[step] != '\0'; ++step) {
      const char mark = pattern[step];
      if (mark == 'X') Hit(bar_beat + step * 0.25, key, velocity + 14);
      if (mark == 'x') Hit(bar_beat + step * 0.25, key, velocity);
      if (mark == 'o' && random_.Chance(0.7)) Hit(bar_beat + step * 0.25, key, velocity - 34);
    }
  }

  void PlayBar(const Section& section, int bar) {
    const double beat = (section.first_bar + bar) * plan_.beats_per_bar;
    const double loudness = 58 + 36 * section.energy;
    const bool loud = section.energy > 0.85;
    const bool bare = section.energy < 0.52;
    const bool last = bar == section.bars - 1;
    const bool ends = section.first_bar + section.bars >= plan_.bars;
    const Groove& groove = grooves_[loud ? 1 : section.kind == SectionKind::kBridge ? 2 : 0];

    // A fill ends the section; now and then a small one in between.
    int fill_steps = 0;
    if (last && !ends) fill_steps = section.energy > 0.7 ? 8 : 4;
    if (!last && bar % 4 == 3 && random_.Chance(0.35)) fill_steps = 4;
    const int until = steps_ - fill_steps;

    if (bar == 0 && section.first_bar > 0 && (loud || random_.Chance(0.6))) {
      Hit(beat, random_.Chance(0.7) ? kCrash : kCrashAlternative, loudness + 6);
    }
    PlayPattern(groove.kick, 0, bare && intro_bare_ ? std::min(until, 4) : until, beat, kick_,
                loudness + 8);
    if (!bare || !intro_bare_) {
      const int snare = loud ? snare_ : verse_snare_;
      PlayPattern(groove.snare, 0, until, beat, snare, loudness + (snare == kRim ? 14 : 6));
    }
    const int cymbal = loud ? loud_cymbal_ : kClosedHat;
    PlayPattern(groove.hat, 0, until, beat, cymbal, loudness - (cymbal == kOpenHat ? 16 : 6));
    if (!loud && random_.Chance(0.3)) Hit(beat + plan_.beats_per_bar - 0.5, kOpenHat, loudness - 8);
    if (section.energy > 0.55) {
      for (const Overlay* overlay : overlays_) {
        PlayPattern(steps_ == 16 ? overlay->pattern4 : overlay->pattern3, 0, steps_, beat,
                    overlay->key, overlay->velocity + 20 * (section.energy - 0.6));
      }
    }
    if (fill_steps > 0) PlayFill(beat + until * 0.25, fill_steps, loudness);
  }

  void PlayFill(double beat, int steps, double loudness) {
    constexpr int kToms[] = {50, 48, 47, 45, 43, 41};
    for (int i = 0; i < steps; ++i) {
      const double share = static_cast<double>(i) / steps;
      if (fill_ != 1 && i % 2 == 1 && random_.Chance(0.3)) continue;
      int key = snare_;
      if (fill_ == 0) key = kToms[static_cast<int>(share * 6)];
      if (fill_ == 2) key = i % 4 == 3 ? kToms[static_cast<int>(share * 6)] : snare_;
      if (fill_ == 3) key = i % 2 == 0 ? kToms[random_.Below(6)] : kick_;
      Hit(beat + i * 0.25, key, loudness - 12 + 26 * share);
    }
  }

  const Plan& plan_;
  RandomStream random_;
  Part part_;
  Groove grooves_[3];  // verse, chorus, bridge
  int kick_, snare_, verse_snare_, loud_cymbal_, fill_, steps_;
  bool intro_bare_;
  std::vector<const Overlay*> overlays_;
};

}  // namespace

Part PlayDrums(const Plan& plan, RandomStream random) { return Drummer(plan, random).Play(); }

}  // namespace stemsmith::synth
