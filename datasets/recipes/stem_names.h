// Names of stems that hold the song's name too ("A - drums" of the song "A").
#pragma once

#include <string>

#include "datasets/readers/track.h"

namespace stemsmith {

// What stands between the words of a name.
inline constexpr char kNameSeparators[] = " _-.";

// "drums" and "* - drums" of "A - drums" in the song "A"; two empty texts where the name does not
// carry the song's.
struct StemInName {
  std::string stem, pattern;
};
StemInName StemIn(const std::string& name, const std::string& song);

// Whether every stem of the song carries the song's name ("A - drums" and "A - bass" of "A").
bool NamesCarryTheSong(const Track& track);

}  // namespace stemsmith
