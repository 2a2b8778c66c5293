// What is said about a recipe, or the lack of one, before a training is spent on it.
#pragma once

#include <string>
#include <vector>

#include "core/host.h"

namespace stemsmith {

struct Recipe;
struct Track;

// Why a training on these songs would learn nothing of use.
struct TrainingDoubt {
  std::string stem;  // that it is about; may be empty
  std::string what, advice;
};

// Of songs after FitTracks: one stem only, so that the mixture is the stem; a stem that is the
// mixture by its name, or takes in a file that is by `rest` or a glob.
std::vector<TrainingDoubt> DoubtsAboutTraining(const Recipe& recipe,
                                               const std::vector<Track>& tracks);
// Of songs before FitTracks: patterns of `ignore` and `mixture_file` that fit no file of any song.
std::vector<TrainingDoubt> DoubtsAboutPatterns(const Recipe& recipe,
                                               const std::vector<Track>& tracks);
// The same as the first of a cache: by its stems.
std::vector<TrainingDoubt> DoubtsAboutTraining(const std::vector<std::string>& stems);
// A line of warning each.
void WarnOfDoubts(const std::vector<TrainingDoubt>& doubts, const Listener& warn);

// What to do where no stem is common to half of the songs: the recipe that reads their names.
std::string AdviceWithoutCommonStem(const std::vector<Track>& tracks);

}  // namespace stemsmith
