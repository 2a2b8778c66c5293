// What names of stems say: that they hold the song's name too ("A - drums" of the song "A"), or are
// those of a bounce ("1 final mix").
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

// Whether the words of the name are those of a song's mixture: mix, master, mixdown, bounce, final
// (where that is all) and the like, in any case, with or without numbers. Not where another word
// names an instrument ("Drum Mix", "Vox bounce"), nor for parts of words ("mixer").
bool LooksLikeMixture(const std::string& name);

}  // namespace stemsmith
