#include "datasets/recipe.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

constexpr char kRest[] = "rest";
constexpr double kLowestGainDb = -120, kHighestGainDb = 60;

RecipeEntry EntryOf(const std::string& pattern, const std::string& where) {
  if (pattern.empty()) {
    throw Error::Usage("a source without a name", where, "name a source, a glob, or rest");
  }
  RecipeEntry entry;
  entry.pattern = pattern;
  entry.glob = pattern.find_first_of("*?[") != std::string::npos;
  entry.rest = pattern == kRest;
  return entry;
}

// A name, or {source: name or list, gain_db: …, optional: silence}.
void AddEntries(const Config& value, RecipeTarget& target) {
  if (!value.IsMap()) {
    target.entries.push_back(EntryOf(value.AsString(), value.Where()));
    return;
  }
  const double gain_db = value.NumberIn("gain_db", 0.0, kLowestGainDb, kHighestGainDb);
  const bool optional = value.Choice("optional", "no", {"no", "silence"}) == "silence";
  const Config source = value.Value("source");
  const std::vector<Config> names = source.IsList() ? source.Items() : std::vector<Config>{source};
  for (const Config& name : names) {
    RecipeEntry entry = EntryOf(name.AsString(), name.Where());
    entry.gain_db = gain_db;
    entry.optional = optional;
    target.entries.push_back(std::move(entry));
  }
}

Recipe FromConfig(const Config& config, const std::string& where) {
  Recipe recipe;
  recipe.where = where;
  config.Choice("mixture", "sum", {"sum"});
  const Config stems = config.Value("stems");
  if (!stems.IsMap()) throw Error::Usage("'stems' must be a map: target: sources", stems.Where());
  std::size_t rests = 0;
  for (const std::string& name : stems.Keys()) {
    RecipeTarget target;
    target.name = name;
    if (name.empty() || name == kRest || IsMixtureName(name) || name.find('/') != name.npos ||
        name.starts_with('.')) {
      throw Error::Usage("a stem cannot be called '" + name + "'", stems.Where(name),
                         "mixture, mix and rest are reserved, and a stem's name becomes a file's");
    }
    const Config value = stems.Value(name);
    const std::vector<Config> items = value.IsList() ? value.Items() : std::vector<Config>{value};
    for (const Config& item : items) AddEntries(item, target);
    if (target.entries.empty()) {
      throw Error::Usage("the stem '" + name + "' has no sources", stems.Where(name));
    }
    for (const RecipeEntry& entry : target.entries) rests += entry.rest;
    if (rests > 1) {
      throw Error::Usage("`rest` stands twice", stems.Where(name),
                         "what is left can go to one stem only");
    }
    recipe.targets.push_back(std::move(target));
  }
  if (recipe.targets.empty()) throw Error::Usage("the recipe has no stems", config.Where());
  config.CheckAllRead();
  recipe.text = config.Dump();
  return recipe;
}

bool Matches(const RecipeEntry& entry, const std::string& source) {
  if (entry.pattern == source) return true;
  return entry.glob && fnmatch(entry.pattern.c_str(), source.c_str(), 0) == 0;
}

std::string NamesOf(const Track& track) {
  std::string names;
  for (const SourceStem& source : track.sources) names += (names.empty() ? "" : ", ") + source.name;
  return names.empty() ? "no stems" : names;
}

Error Missing(const Recipe& recipe, const Track& track, const std::string& what) {
  const std::string where = "song \"" + track.name + "\" has " + NamesOf(track);
  return Error::Input(what, where,
                      recipe.where.empty()
                          ? "add the file, or write a recipe and give it with --recipe"
                          : "add the file, or write `optional: silence` in " + recipe.where);
}

}  // namespace

std::vector<std::string> Recipe::stems() const {
  std::vector<std::string> names;
  for (const RecipeTarget& target : targets) names.push_back(target.name);
  return names;
}

Recipe LoadRecipe(const std::filesystem::path& path) {
  return FromConfig(Config::Load(path), path.string());
}

Recipe ParseRecipe(const std::string& text, const std::string& name) {
  return FromConfig(Config::Parse(text, name), name);
}

Recipe DefaultRecipe(const std::vector<Track>& tracks) {
  std::map<std::string, std::size_t> counts;
  std::size_t songs = 0;
  for (const Track& track : tracks) {
    if (track.problem) continue;
    ++songs;
    for (const SourceStem& source : track.sources) ++counts[source.name];
  }
  std::vector<std::string> names;
  for (const char* usual : {"drums", "bass", "other", "vocals"}) {
    if (counts.contains(usual)) names.emplace_back(usual);
  }
  for (const auto& [name, count] : counts) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  // A stem that few songs have is more likely a stray file than one that most songs lack; those few
  // songs are then named.
  std::erase_if(names, [&](const std::string& name) { return counts[name] * 2 < songs; });
  Recipe recipe;
  for (const std::string& name : names) recipe.targets.push_back({name, {{name}}});
  return recipe;
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
        const std::string& name = track.sources[s].name;
        if (!Matches(entry, name)) continue;
        found = true;
        if (owner[s] == static_cast<int>(t)) continue;  // by an earlier entry of this target
        if (owner[s] >= 0) {
          throw Error::Input("the source \"" + name + "\" is claimed by two stems: " +
                                 recipe.targets[owner[s]].name + " and " + recipe.targets[t].name,
                             song, "let one stem of " + recipe.where + " name it");
        }
        claim(s, t, entry.gain_db);
      }
      if (!found && !entry.optional && !entry.glob) {
        throw Missing(recipe, track, "the stem \"" + entry.pattern + "\" is missing");
      }
    }
  }
  for (std::size_t s = 0; s < track.sources.size(); ++s) {
    if (owner[s] >= 0) continue;
    if (rest != nullptr) {
      claim(s, static_cast<std::size_t>(rest_target), rest->gain_db);
      continue;
    }
    const std::string& name = track.sources[s].name;
    throw Error::Input("the source \"" + name + "\" belongs to no stem", song,
                       recipe.where.empty()
                           ? "most songs have no such file: remove it, or write a recipe"
                           : "name it in " + recipe.where + ", or give one stem `rest`");
  }
  for (std::size_t t = 0; t < mix.size(); ++t) {
    const std::vector<RecipeEntry>& entries = recipe.targets[t].entries;
    const bool optional = std::all_of(entries.begin(), entries.end(),
                                      [](const RecipeEntry& entry) { return entry.optional; });
    if (mix[t].empty() && !optional) {
      throw Missing(recipe, track,
                    "nothing is there for the stem \"" + recipe.targets[t].name + "\"");
    }
    std::sort(mix[t].begin(), mix[t].end(),
              [](const MixPart& a, const MixPart& b) { return a.source < b.source; });
  }
  return mix;
}

}  // namespace stemsmith
