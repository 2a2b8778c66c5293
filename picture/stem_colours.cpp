#include "picture/stem_colours.h"

#include <algorithm>
#include <array>

#include "core/text.h"

namespace stemsmith {
namespace {

struct StemColourRow {
  Colour on_light, on_dark;
  std::array<const char*, 4> stems;  // that usually do not stand beside each other
};
constexpr std::array<StemColourRow, kStemColours> kRows = {{
    {{0x25, 0x63, 0xa8}, {0x7d, 0xb4, 0xee}, {"drums", "percussion", "", ""}},
    {{0xc2, 0x41, 0x0c}, {0xf6, 0x96, 0x5b}, {"guitar", "guitars", "", ""}},
    {{0x15, 0x80, 0x3d}, {0x6f, 0xcf, 0x8e}, {"bass", "", "", ""}},
    {{0x93, 0x33, 0xa8}, {0xd3, 0x98, 0xe6}, {"piano", "keys", "", ""}},
    {{0xa1, 0x62, 0x07}, {0xe3, 0xbd, 0x56}, {"other", "", "", ""}},
    {{0x0e, 0x74, 0x90}, {0x63, 0xcb, 0xdf}, {"accompaniment", "instrumental", "synth", "synths"}},
    {{0xbe, 0x18, 0x5d}, {0xf4, 0x8f, 0xb6}, {"vocals", "vocal", "voice", ""}},
    {{0x57, 0x60, 0x6e}, {0xa0, 0xa9, 0xb6}, {"rest", "residual", "", ""}},
}};

int UsualColour(const std::string& stem) {
  if (stem.empty()) return -1;
  const std::string name = LowerCase(stem);
  for (int i = 0; i < kStemColours; ++i) {
    const auto& names = kRows[static_cast<std::size_t>(i)].stems;
    if (std::find(names.begin(), names.end(), name) != names.end()) return i;
  }
  return -1;
}

}  // namespace

Colour StemColour(int index, bool on_dark) {
  const StemColourRow& row = kRows.at(static_cast<std::size_t>(index));
  return on_dark ? row.on_dark : row.on_light;
}

std::string HexColour(Colour colour) {
  return Formatted("#%02x%02x%02x", colour.red, colour.green, colour.blue);
}

std::vector<int> StemColourIndices(const std::vector<std::string>& stems) {
  std::vector<int> indices;
  std::array<bool, kStemColours> taken{};
  for (const std::string& stem : stems) {
    indices.push_back(UsualColour(stem));
    if (indices.back() >= 0) taken[static_cast<std::size_t>(indices.back())] = true;
  }
  int turn = 0;  // once all are taken
  for (int& index : indices) {
    if (index >= 0) continue;
    const auto free = std::find(taken.begin(), taken.end(), false);
    index = free != taken.end() ? static_cast<int>(free - taken.begin()) : turn++ % kStemColours;
    taken[static_cast<std::size_t>(index)] = true;
  }
  return indices;
}

}  // namespace stemsmith
