// Recipes: which source stems of a song make which target stems. docs/datasets.md describes the
// YAML.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "datasets/track.h"

namespace stemsmith {

// One entry of a target: sources by name or glob (* ? [abc]), or `rest` for what no target names.
struct RecipeEntry {
  std::string pattern;
  bool glob = false;  // `pattern` is one; else it is a name
  bool rest = false;
  double gain_db = 0;
  bool optional = false;  // songs without it have silence there
};

struct RecipeTarget {
  std::string name;
  std::vector<RecipeEntry> entries;
};

struct Recipe {
  std::vector<RecipeTarget> targets;  // in the file's order, which is the order of the stems
  std::string text;                   // YAML with every default filled in
  std::string where;                  // file, or "" for the default recipe

  std::vector<std::string> stems() const;
};

// Throws Error with file and line: unknown keys, no targets, two `rest`, a reserved name, bad gain.
Recipe LoadRecipe(const std::filesystem::path& path);
Recipe ParseRecipe(const std::string& text, const std::string& name);

// What is used without a recipe: every source name that at least half the songs have is a target of
// its own, drums, bass, other and vocals first, the rest by name.
Recipe DefaultRecipe(const std::vector<Track>& tracks);

// A recipe applied to one song: per target the sources that are summed, in the song's order.
struct MixPart {
  std::size_t source = 0;  // number in Track::sources
  double gain_db = 0;
};
using TrackMix = std::vector<std::vector<MixPart>>;

// Throws Error naming song and source: the song's own problem, a source claimed by two targets or
// by none, a name that the song lacks or a target that gets nothing where that is not optional.
TrackMix ApplyRecipe(const Recipe& recipe, const Track& track);

}  // namespace stemsmith
