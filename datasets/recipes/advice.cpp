#include "datasets/recipes/advice.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/option.h"
#include "core/text.h"
#include "datasets/readers/readers.h"
#include "datasets/recipes/recipe.h"
#include "datasets/recipes/stem_names.h"

namespace stemsmith {
namespace {

constexpr std::size_t kPatternsShown = 6;

// Whether a word of the name says that it is the mixture.
bool LooksLikeMixture(const std::string& name) {
  static const std::set<std::string> words = {"mix", "mixture", "mixdown", "fullmix", "mixed"};
  const std::string lower = LowerCase(name);
  for (std::size_t begin = 0; begin < lower.size();) {
    const std::size_t end = std::min(lower.find_first_of(kNameSeparators, begin), lower.size());
    if (words.contains(lower.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

std::string Quoted(const std::string& name) { return "\"" + name + "\""; }

std::string Identity(const std::string& stem) {
  return "the mixture that the model sees is the stem " + Quoted(stem) +
         " itself, and it learns to give back its input";
}

// The recipe that makes sense of a stem and what is there besides.
std::string AdviceForOneStem(const std::string& stem, bool has_mixtures) {
  const std::string residual = stem == "vocals" ? "accompaniment" : "rest of the mixture";
  if (has_mixtures) {
    return "write a recipe that makes a second stem of what else the recorded mixture holds: "
           "`stems: {" +
           stem + ": " + stem + "}`, `mixture: recorded`, `residual: " + residual + "`";
  }
  return "add the stems of what else plays (a recipe sums them: `" + residual +
         ": rest`), or recorded mixtures with a recipe that says `mixture: recorded`";
}

}  // namespace

std::vector<TrainingDoubt> DoubtsAboutTraining(const Recipe& recipe,
                                               const std::vector<Track>& tracks) {
  std::size_t songs = 0, with_mixture = 0;
  std::map<std::string, std::size_t> alone;  // the songs that have one stem only, by that
  std::size_t lonely = 0;
  for (const Track& track : tracks) {
    if (track.problem) continue;
    TrackMix mix;
    try {
      mix = ApplyRecipe(recipe, track);
    } catch (const Error&) {
      continue;  // told as this song's error
    }
    ++songs;
    std::vector<std::size_t> stems;
    for (std::size_t t = 0; t < mix.size(); ++t) {
      if (!mix[t].empty()) stems.push_back(t);
    }
    if (stems.size() != 1) continue;
    ++lonely;
    ++alone[recipe.targets[stems.front()].name];
    with_mixture += !track.mixture.empty();
  }
  std::vector<TrainingDoubt> doubts;
  if (songs > 0 && lonely * 2 > songs) {
    const auto most =
        std::max_element(alone.begin(), alone.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    const std::string of_songs =
        lonely == songs ? std::string(songs == 1 ? "the song has" : "all songs have")
                        : std::to_string(lonely) + " of " + std::to_string(songs) + " songs have";
    doubts.push_back({most->first, of_songs + " one stem only: " + Identity(most->first),
                      AdviceForOneStem(most->first, with_mixture * 2 > lonely)});
  }
  if (!recipe.where.empty()) return doubts;  // whoever writes a recipe knows what a stem is
  for (const RecipeTarget& target : recipe.targets) {
    if (recipe.targets.size() == 1 || !LooksLikeMixture(target.name)) continue;
    doubts.push_back(
        {target.name,
         "the stem " + Quoted(target.name) +
             " looks like the mixture of the others: the model would see everything twice",
         "write a recipe with `mixture_file: " + Quoted(target.name) +
             "`, or with `ignore: " + Quoted(target.name) + "`"});
  }
  return doubts;
}

std::vector<TrainingDoubt> DoubtsAboutTraining(const std::vector<std::string>& stems) {
  if (stems.size() != 1) return {};
  return {{stems.front(), "the cache has one stem only: " + Identity(stems.front()),
           "prepare it with a recipe that has a second stem: `rest` for what else plays, or "
           "`mixture: recorded` with a `residual`"}};
}

void WarnOfDoubts(const std::vector<TrainingDoubt>& doubts, const Listener& warn) {
  for (const TrainingDoubt& doubt : doubts) Tell(warn, doubt.what + "; " + doubt.advice);
}

std::string AdviceWithoutCommonStem(const std::vector<Track>& tracks) {
  std::map<std::string, std::string> patterns;  // by stem
  std::string mixture;
  for (const Track& track : tracks) {
    if (track.problem || !NamesCarryTheSong(track)) continue;
    for (const SourceStem& source : track.sources) {
      const StemInName name = StemIn(source.name, track.name);
      if (LooksLikeMixture(name.stem)) {
        mixture = name.pattern;
      } else if (patterns.size() < kPatternsShown) {
        patterns.emplace(LowerCase(name.stem), name.pattern);
      }
    }
  }
  if (patterns.empty()) return "write a recipe and give it with " + Option("recipe");
  std::string stems;
  for (const auto& [stem, pattern] : patterns) {
    stems += (stems.empty() ? "" : ", ") + stem + ": " + Quoted(pattern);
  }
  return "the files carry the song's name: write a recipe with patterns and give it with " +
         Option("recipe") +
         ": "
         "`stems: {" +
         stems + "}`" + (mixture.empty() ? "" : ", `mixture_file: " + Quoted(mixture) + "`") +
         "; `ignore` leaves files out";
}

}  // namespace stemsmith
