// Recipes applied to songs.
#include <fnmatch.h>

#include <algorithm>

#include "core/decibel.h"
#include "core/error.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"
#include "datasets/readers/readers.h"
#include "datasets/recipes/recipe.h"
#include "datasets/recipes/stem_names.h"

namespace stemsmith {
namespace {

bool Matches(const RecipeEntry& entry, const SourceStem& source) {
  if (!entry.attributes.empty()) return entry.attributes.Holds(source);
  if (entry.pattern == source.name) return true;
  return entry.glob && fnmatch(entry.pattern.c_str(), source.name.c_str(), 0) == 0;
}

// "S03" (Guitar, program 30), "S05" (male singer, tambourine)
std::string Described(const SourceStem& source) {
  std::string text = "\"" + source.name + "\"";
  std::vector<std::string> instruments;
  for (const auto& [key, value] : source.attributes) {
    if (key == "instrument") instruments.push_back(value);
  }
  // MoisesDB's names say it already.
  if (!instruments.empty() && source.Attribute("stem") == nullptr)
    text += " (" + JoinNames(instruments) + ")";
  if (const std::string* inst_class = source.Attribute("inst_class")) {
    text += " (" + *inst_class;
    if (const std::string* program = source.Attribute("program")) text += ", program " + *program;
    text += ")";
  }
  return text;
}

std::string NamesOf(const Track& track) {
  return track.sources.empty() ? "no stems" : JoinNames(track.sources, ", ", &SourceStem::name);
}

// Sources that no entry of the recipe asks for by their name: one of them may be what is meant.
std::vector<std::string> NamesNobodyAskedFor(const Recipe& recipe, const Track& track) {
  std::vector<std::string> names;
  for (const SourceStem& source : track.sources) {
    const bool asked =
        std::any_of(recipe.targets.begin(), recipe.targets.end(), [&](const RecipeTarget& target) {
          return std::any_of(
              target.entries.begin(), target.entries.end(),
              [&](const RecipeEntry& entry) { return entry.pattern == source.name; });
        });
    if (!asked && !IsMixtureName(source.name)) names.push_back(source.name);
  }
  return names;
}

// To make an entry optional is right only where its name is: one that is misspelt would be silent
// in every song.
std::string AdviceForMissing(const Recipe& recipe, const Track& track, const std::string& pattern) {
  if (recipe.where.empty()) {
    return "add the file, or write a recipe and give it with " + Option("recipe");
  }
  const std::string meant = NameThatWasMeant(recipe, track, pattern);
  return meant.empty() ? "add the file, or write `optional: silence` in " + recipe.where : meant;
}

Error Missing(const Recipe& recipe, const Track& track, const std::string& what,
              const std::string& pattern) {
  return Error::Input(what, "song \"" + track.name + "\" has " + NamesOf(track),
                      AdviceForMissing(recipe, track, pattern));
}

bool MatchesAny(const std::vector<std::string>& patterns, const SourceStem& source) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return FitsFile(pattern, source); });
}

Error Unclaimed(const Recipe& recipe, const SourceStem& source, const std::string& song) {
  const std::string what = "the source " + Described(source) + " belongs to no stem";
  const std::string ignore = "`ignore` (`ignore: [\"" + source.name + "\"]`)";
  std::string advice;
  if (LooksLikeMixture(source.name)) {
    advice = "it looks like the mixture of the others: leave it out with `ignore: [NAME]` in " +
             (recipe.where.empty() ? "a recipe" : recipe.where) +
             ", or say there with `mixture_file` that it is the mixture";
  } else if (recipe.where.empty()) {
    advice =
        "most songs have no such file: remove it, or write a recipe that names it or leaves "
        "it out with " +
        ignore;
  } else if (!source.attributes.empty()) {  // its name says something in this song alone
    advice = "name what it is in " + recipe.where + ", or give one stem `rest`";
  } else {
    advice = "name it in " + recipe.where + ", give one stem `rest`, leave it out with " + ignore +
             ", or say with `mixture_file` that it is the mixture";
  }
  return Error::Input(what, song, advice);
}

// A source in which instruments of several stems play together goes to none of them, nor to the
// rest.
void CheckIsUnmixed(const Recipe& recipe, const SourceStem& source, const std::string& song) {
  for (const RecipeTarget& target : recipe.targets) {
    for (const RecipeEntry& entry : target.entries) {
      if (!entry.attributes.HoldsInPart(source)) continue;
      throw Error::Input("the source " + Described(source) + " belongs to the stem " + target.name +
                             " in part only",
                         song,
                         "name all that plays in it in one entry of " +
                             (recipe.where.empty() ? "a recipe" : recipe.where) +
                             ", or leave the song out");
    }
  }
}

// `mixture_file`: the source that it names is the mixture, whatever the reader took for it.
void TakeMixture(const Recipe& recipe, Track& track) {
  const auto is_mixture = [&](const SourceStem& source) {
    return MatchesAny(recipe.mixture_files, source);
  };
  const auto first = std::find_if(track.sources.begin(), track.sources.end(), is_mixture);
  if (first == track.sources.end()) return;
  const auto second = std::find_if(first + 1, track.sources.end(), is_mixture);
  if (second != track.sources.end()) {
    track.problem = Error::Input(
        "two files are the mixture: \"" + first->name + "\" and \"" + second->name + "\"",
        "song \"" + track.name + "\"",
        "let `mixture_file` in " + recipe.where + " fit one of them");
    return;
  }
  track.mixture = first->path;
  track.mixture_stream = first->stream;
  track.sources.erase(first);
}

// `audio_stream`, where the reader has left the choice to the file.
void ChooseStreams(const Recipe& recipe, Track& track) {
  for (SourceStem& source : track.sources) {
    if (source.stream != kDefaultStream) continue;
    source.stream = recipe.stream;
    source.language = recipe.language;
  }
  if (track.mixture_stream != kDefaultStream) return;
  track.mixture_stream = recipe.stream;
  track.mixture_language = recipe.language;
}

void AddRecordedMixture(const Recipe& recipe, Track& track) {
  if (track.problem) return;
  if (track.mixture.empty()) {
    track.problem = Error::Input(
        "the recorded mixture is missing", "song \"" + track.name + "\"",
        "add the file, name it with `mixture_file`, or write `mixture: sum` in " + recipe.where);
    return;
  }
  SourceStem mixture{kMixtureSource, track.mixture, track.mixture_stream, {}};
  mixture.language = track.mixture_language;
  for (const SourceStem& source : track.sources) {
    if (source.path == track.mixture) mixture.file_streams = source.file_streams;
  }
  track.sources.push_back(std::move(mixture));
}

// The residual's stem is the recorded mixture without all that the other stems have.
void MakeResidual(const Recipe& recipe, const Track& track, TrackMix& mix) {
  if (recipe.residual.empty() || track.sources.empty() ||
      track.sources.back().name != kMixtureSource) {
    return;
  }
  std::vector<MixPart> difference = {{track.sources.size() - 1}};
  std::size_t residual = 0;
  for (std::size_t t = 0; t < mix.size(); ++t) {
    if (recipe.targets[t].name == recipe.residual) {
      residual = t;
      continue;
    }
    for (MixPart part : mix[t]) {
      part.inverted = true;
      difference.push_back(part);
    }
  }
  mix[residual] = std::move(difference);
}

}  // namespace

std::string NameThatWasMeant(const Recipe& recipe, const Track& track, const std::string& pattern) {
  if (pattern.empty()) return "";
  const std::vector<std::string> names = NamesNobodyAskedFor(recipe, track);
  const std::string as_the_file = "write the name in " + recipe.where + " as the file has it";
  for (const std::string& name : names) {
    if (fnmatch(pattern.c_str(), name.c_str(), FNM_CASEFOLD) != 0) continue;
    return "\"" + name + "\" differs in case only: " + as_the_file + ", or rename the file";
  }
  const std::string nearest = NearestName(pattern, names);
  return nearest.empty() ? "" : "did you mean \"" + nearest + "\"? Then " + as_the_file;
}

float MixPart::gain() const {
  const float magnitude = gain_db == 0 ? 1.0f : static_cast<float>(GainFromDb(gain_db));
  return inverted ? -magnitude : magnitude;
}

bool FitsFile(const std::string& pattern, const SourceStem& source) {
  const std::string file = source.path.filename().string();
  return pattern == source.name || pattern == file ||
         fnmatch(pattern.c_str(), source.name.c_str(), 0) == 0 ||
         fnmatch(pattern.c_str(), file.c_str(), 0) == 0;
}

void FitTracks(const Recipe& recipe, std::vector<Track>& tracks) {
  for (Track& track : tracks) {
    if (track.problem) continue;
    std::erase_if(track.sources,
                  [&](const SourceStem& source) { return MatchesAny(recipe.ignored, source); });
    TakeMixture(recipe, track);
    ChooseStreams(recipe, track);
    if (!recipe.residual.empty()) AddRecordedMixture(recipe, track);
  }
}

TrackMix ApplyRecipe(const Recipe& recipe, const Track& track) {
  if (track.problem) throw *track.problem;
  const std::string song = "song \"" + track.name + "\"";
  TrackMix mix(recipe.targets.size());
  std::vector<int> owner(track.sources.size(), -1);
  const auto claim = [&](std::size_t source, std::size_t target, double gain_db) {
    mix[target].push_back({source, gain_db});
    owner[source] = static_cast<int>(target);
  };

  int rest_target = -1;
  const RecipeEntry* rest = nullptr;
  for (std::size_t t = 0; t < recipe.targets.size(); ++t) {
    for (const RecipeEntry& entry : recipe.targets[t].entries) {
      if (entry.rest) {
        rest_target = static_cast<int>(t);
        rest = &entry;
        continue;
      }
      bool found = false;
      for (std::size_t s = 0; s < track.sources.size(); ++s) {
        const SourceStem& source = track.sources[s];
        if (IsMixtureName(source.name) || !Matches(entry, source)) continue;
        found = true;
        if (owner[s] == static_cast<int>(t)) continue;  // by an earlier entry of this target
        if (owner[s] >= 0) {
          throw Error::Input("the source " + Described(source) + " is claimed by two stems: " +
                                 recipe.targets[owner[s]].name + " and " + recipe.targets[t].name,
                             song, "let one stem of " + recipe.where + " name it");
        }
        claim(s, t, entry.gain_db);
      }
      if (!found && !entry.optional && !entry.glob && entry.attributes.empty()) {
        throw Missing(recipe, track, "the stem \"" + entry.pattern + "\" is missing",
                      entry.pattern);
      }
    }
  }
  for (std::size_t s = 0; s < track.sources.size(); ++s) {
    if (owner[s] >= 0 || IsMixtureName(track.sources[s].name)) continue;
    CheckIsUnmixed(recipe, track.sources[s], song);
    if (rest != nullptr) {
      claim(s, static_cast<std::size_t>(rest_target), rest->gain_db);
      continue;
    }
    throw Unclaimed(recipe, track.sources[s], song);
  }
  for (std::size_t t = 0; t < mix.size(); ++t) {
    const std::vector<RecipeEntry>& entries = recipe.targets[t].entries;
    const bool optional = std::all_of(entries.begin(), entries.end(),
                                      [](const RecipeEntry& entry) { return entry.optional; });
    if (mix[t].empty() && !optional && recipe.targets[t].name != recipe.residual) {
      throw Missing(recipe, track,
                    "nothing is there for the stem \"" + recipe.targets[t].name + "\"",
                    entries.empty() ? recipe.targets[t].name : entries.front().pattern);
    }
    std::sort(mix[t].begin(), mix[t].end(),
              [](const MixPart& a, const MixPart& b) { return a.source < b.source; });
  }
  MakeResidual(recipe, track, mix);
  return mix;
}

}  // namespace stemsmith
