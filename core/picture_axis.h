// What the axes of charts and spectrograms have in common. Private to core/.
#pragma once

#include <string>
#include <vector>

namespace stemsmith {

// The step of 1, 2 or 5 times a power of ten that divides `range` into at most `most` parts. range
// > 0.
double NiceStep(double range, int most);
// The multiples of NiceStep within [low, high].
std::vector<double> NiceTicks(double low, double high, int most);
// As many decimals as the step needs; thousands as "20k" where all would be long.
std::string TickLabel(double value, double step);
// Seconds between ticks of a time axis (1, 2, 5, 10, 15, 30, 60 …) for at most `most` parts.
double NiceTimeStep(double seconds, int most);

}  // namespace stemsmith
