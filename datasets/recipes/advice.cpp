#include "datasets/recipes/advice.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"
#include "datasets/readers/readers.h"
#include "datasets/recipes/recipe.h"
#include "datasets/recipes/stem_names.h"

namespace stemsmith {
namespace {

constexpr std::size_t kPatternsShown = 6;

std::string Quoted(const std::string& name) { return "\"" + name + "\""; }

std::string Identity(const std::string& stem) {
  return "the mixture that the model sees is the stem " + Quoted(stem) +
         " itself, and it learns to give back its input";
}

// None where the recipe does not fit: that is told as this song's error.
std::optional<TrackMix> MixOf(const Recipe& recipe, const Track& track) {
  if (track.problem) return std::nullopt;
  try {
    return ApplyRecipe(recipe, track);
  } catch (const Error&) {
    return std::nullopt;
  }
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

// Without a recipe every file of a song is a stem.
std::vector<TrainingDoubt> StemsLikeTheMixture(const Recipe& recipe) {
  std::vector<TrainingDoubt> doubts;
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

// Whoever names a file in a recipe knows what it is; `rest` and globs take what they find.
std::vector<TrainingDoubt> SourcesLikeTheMixture(const Recipe& recipe,
                                                 const std::vector<Track>& tracks) {
  struct Taken {
    std::size_t songs = 0;
    std::set<std::string> names;
  };
  std::vector<Taken> taken(recipe.targets.size());
  for (const Track& track : tracks) {
    const std::optional<TrackMix> mix = MixOf(recipe, track);
    for (std::size_t t = 0; mix && t < mix->size(); ++t) {
      const std::vector<RecipeEntry>& entries = recipe.targets[t].entries;
      bool found = false;
      for (const MixPart& part : (*mix)[t]) {
        const std::string& name = track.sources[part.source].name;
        const bool named =
            std::any_of(entries.begin(), entries.end(),
                        [&](const RecipeEntry& entry) { return entry.pattern == name; });
        if (part.inverted || named || IsMixtureName(name) || !LooksLikeMixture(name)) continue;
        taken[t].names.insert(name);
        found = true;
      }
      taken[t].songs += found;
    }
  }
  std::vector<TrainingDoubt> doubts;
  for (std::size_t t = 0; t < taken.size(); ++t) {
    const std::set<std::string>& names = taken[t].names;
    if (names.empty()) continue;
    std::vector<std::string> shown;
    for (const std::string& name : names) {
      if (shown.size() < kPatternsShown) shown.push_back(Quoted(name));
    }
    const std::string list = JoinNames(shown);
    const std::string more = names.size() > shown.size() ? ", …" : "";
    doubts.push_back(
        {recipe.targets[t].name,
         "the stem " + Quoted(recipe.targets[t].name) + " takes in " + list + more + " (" +
             std::to_string(taken[t].songs) + (taken[t].songs == 1 ? " song)" : " songs)") +
             (names.size() == 1 ? ": it looks" : ": they look") +
             " like the mixture of the other files, and the stem would hold everything",
         "leave out bounces with `ignore: [" + list + more + "]` in " + recipe.where +
             ", or say with `mixture_file` which file is the mixture"});
  }
  return doubts;
}

// An optional name that no song has is silence throughout; a misspelt one must not be.
std::vector<TrainingDoubt> MisspeltOptionalNames(const Recipe& recipe,
                                                 const std::vector<Track>& tracks) {
  std::vector<TrainingDoubt> doubts;
  for (const RecipeTarget& target : recipe.targets) {
    for (const RecipeEntry& entry : target.entries) {
      if (!entry.optional || entry.rest || entry.glob || entry.pattern.empty()) continue;
      std::string meant;
      bool found = false;
      for (const Track& track : tracks) {
        found |= std::any_of(track.sources.begin(), track.sources.end(),
                             [&](const SourceStem& s) { return s.name == entry.pattern; });
        if (meant.empty()) meant = NameThatWasMeant(recipe, track, entry.pattern);
      }
      if (found || meant.empty()) continue;
      doubts.push_back({target.name, "no song has a file " + Quoted(entry.pattern), meant});
    }
  }
  return doubts;
}

}  // namespace

std::vector<TrainingDoubt> DoubtsAboutTraining(const Recipe& recipe,
                                               const std::vector<Track>& tracks) {
  std::size_t songs = 0, with_mixture = 0;
  std::map<std::string, std::size_t> alone;  // the songs that have one stem only, by that
  std::size_t lonely = 0;
  for (const Track& track : tracks) {
    const std::optional<TrackMix> mix = MixOf(recipe, track);
    if (!mix) continue;
    ++songs;
    std::vector<std::size_t> stems;
    for (std::size_t t = 0; t < mix->size(); ++t) {
      if (!(*mix)[t].empty()) stems.push_back(t);
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
  const std::vector<TrainingDoubt> bounces =
      recipe.where.empty() ? StemsLikeTheMixture(recipe) : SourcesLikeTheMixture(recipe, tracks);
  doubts.insert(doubts.end(), bounces.begin(), bounces.end());
  const std::vector<TrainingDoubt> misspelt = MisspeltOptionalNames(recipe, tracks);
  doubts.insert(doubts.end(), misspelt.begin(), misspelt.end());
  return doubts;
}

std::vector<TrainingDoubt> DoubtsAboutPatterns(const Recipe& recipe,
                                               const std::vector<Track>& tracks) {
  std::vector<SourceStem> files;  // of all songs, with the mixtures that readers know
  std::vector<std::string> names;
  for (const Track& track : tracks) {
    files.insert(files.end(), track.sources.begin(), track.sources.end());
    if (!track.mixture.empty())
      files.push_back({track.mixture.stem().string(), track.mixture, track.mixture_stream, {}});
  }
  if (files.empty()) return {};  // songs without any file say why themselves
  for (const SourceStem& file : files) names.push_back(file.name);
  std::vector<TrainingDoubt> doubts;
  for (const auto& [key, patterns] :
       {std::pair{"ignore", &recipe.ignored}, std::pair{"mixture_file", &recipe.mixture_files}}) {
    for (const std::string& pattern : *patterns) {
      if (std::any_of(files.begin(), files.end(),
                      [&](const SourceStem& file) { return FitsFile(pattern, file); }))
        continue;
      const std::string nearest = NearestName(pattern, names);
      doubts.push_back({"",
                        "`" + std::string(key) + ": " + Quoted(pattern) + "` in " + recipe.where +
                            " fits no file of any song",
                        (nearest.empty() ? "" : "did you mean " + Quoted(nearest) + "? Else ") +
                            std::string("correct the name, or remove it from the recipe")});
    }
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
