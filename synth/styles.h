// Musical styles as tables of patterns. A pattern is a bar in steps of a sixteenth: 16 steps in
// 4/4, 12 in 3/4.
//   drums  X accent, x normal, o soft (played sometimes), . rest
//   bass   R root, 3 third, 5 fifth, 8 octave, a approach to the next chord, - hold, . rest
//   comp   X strong, x weak, - hold, . rest
#pragma once

#include <vector>

namespace stemsmith::synth {

struct Style {
  const char* name;
  double tempo_low, tempo_high;  // beats per minute
  int beats_per_bar;
  double swing_low, swing_high;
  double swing_unit;   // beats: 0.5 swings eighths, 0.25 sixteenths
  double note_length;  // typical sung note in beats
  std::vector<int> kits;
  std::vector<const char*> kicks, snares, hats;
  std::vector<const char*> bass;
  std::vector<const char*> comp;
  double seventh_chance;  // of a chord having one
};

const std::vector<Style>& Styles();

}  // namespace stemsmith::synth
