// The colours of stems, the same wherever stems are shown: curves, tables, titles of pictures.
#pragma once

#include <string>
#include <vector>

#include "picture/picture_font.h"

namespace stemsmith {

inline constexpr int kStemColours = 8;
// Readable as text on a light or a dark ground. `index` in [0, kStemColours).
Colour StemColour(int index, bool on_dark);
// "#2563a8".
std::string HexColour(Colour colour);

// The index of each stem's colour. Usual stems (vocals, drums, bass, other, guitar, piano …) always
// have their own; the rest take those that are free, in the order given.
std::vector<int> StemColourIndices(const std::vector<std::string>& stems);

}  // namespace stemsmith
