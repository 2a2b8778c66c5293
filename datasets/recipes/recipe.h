// Recipes: which source stems of a song make which target stems. docs/datasets.md describes the
// YAML.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "datasets/readers/track.h"

namespace stemsmith {

// Sources by what their dataset says of them (SourceStem::attributes). Of a list any item may hold;
// what is empty does not matter; the rest must all hold. Upper and lower case are alike. Of a
// source with several values of an attribute (instruments that play together) each must hold.
struct AttributeSelector {
  // Attribute and names or globs: inst_class, plugin, stem, instrument, component.
  std::vector<std::pair<std::string, std::vector<std::string>>> texts;
  std::vector<std::pair<int, int>> programs;  // General MIDI numbers from 0, first and last
  std::optional<bool> is_drum;

  bool empty() const;
  bool Holds(const SourceStem& source) const;
  // Whether some, but not all, values of an attribute of the source hold.
  bool HoldsInPart(const SourceStem& source) const;
};

// One entry of a target: sources by name or glob (* ? [abc]), by attribute, or `rest` for what no
// target names.
struct RecipeEntry {
  std::string pattern;  // empty where sources are selected by attribute
  bool glob = false;    // `pattern` is one; else it is a name
  bool rest = false;
  double gain_db = 0;
  bool optional = false;  // songs without it have silence there
  AttributeSelector attributes;
};

// Which channels of the sources are taken: all, their mean, the first or the second (of a mono
// source its only one).
enum class SourceChannels { kStereo, kMono, kLeft, kRight };

struct SplitChannels {
  SourceChannels train = SourceChannels::kStereo;
  SourceChannels valid = SourceChannels::kStereo;
  SourceChannels test = SourceChannels::kStereo;

  SourceChannels Of(const std::string& split) const;
  bool AllOne() const;  // one channel in every split
};

struct RecipeTarget {
  std::string name;
  std::vector<RecipeEntry> entries;
};

struct Recipe {
  std::vector<RecipeTarget> targets;  // in the file's order, which is the order of the stems
  std::string text;                   // YAML with every default filled in
  std::string where;                  // file, or "" for the default recipe
  SplitChannels source_channels;
  // `mixture: recorded`: the stem that is the recorded mixture without all other stems, so that all
  // of them together are the recorded mixture. Empty: `mixture: sum`.
  std::string residual;
  // Names or globs of source stems or of their files: the recorded mixture, where it is not called
  // so, and what is left out.
  std::vector<std::string> mixture_files, ignored;
  // Which audio stream of files that have several; kDefaultStream and "": the default one.
  int stream = kDefaultStream;
  std::string language;

  std::vector<std::string> stems() const;
};

// Throws Error with file and line: unknown keys, no targets, two `rest`, a reserved name, bad gain.
Recipe LoadRecipe(const std::filesystem::path& path);
Recipe ParseRecipe(const std::string& text, const std::string& name);

// What is used without a recipe: every source name that at least half the songs have is a target of
// its own, drums, bass, other and vocals first, the rest by name. Where the sources say their class
// of instrument (slakh: inst_class, moisesdb: stem, medleydb: instrument), every class is a target
// instead, silent in songs without it.
Recipe DefaultRecipe(const std::vector<Track>& tracks);

// A recipe applied to one song: per target the sources that are summed, in the song's order.
struct MixPart {
  std::size_t source = 0;  // number in Track::sources
  double gain_db = 0;
  bool inverted = false;  // subtracted

  float gain() const;  // the factor that both make
};
using TrackMix = std::vector<std::vector<MixPart>>;

// Whether a pattern of `mixture_files` or `ignored` fits a source: by the stem's name, or the name
// of its file with the ending.
bool FitsFile(const std::string& pattern, const SourceStem& source);

// Applies to the songs what a recipe says of their files: leaves out, finds the recorded mixture,
// and chooses the audio stream where the reader did not. For a recipe with a residual each song's
// mixture is put behind its sources, under the name kMixtureSource, from where ApplyRecipe takes
// it; songs without one get a problem.
inline constexpr char kMixtureSource[] = "mixture";
void FitTracks(const Recipe& recipe, std::vector<Track>& tracks);

// What is to be done where an entry's name or glob fits no source of the song, but another one that
// no entry names is near: `"Drums" differs in case only: …`, `did you mean "drums"? …`; else empty.
std::string NameThatWasMeant(const Recipe& recipe, const Track& track, const std::string& pattern);

// Throws Error naming song and source: the song's own problem, a source claimed by two targets or
// by none, a name that the song lacks or a target that gets nothing where that is not optional.
TrackMix ApplyRecipe(const Recipe& recipe, const Track& track);

}  // namespace stemsmith
