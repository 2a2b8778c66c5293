#include "datasets/recipes/recipe.h"

#include <fnmatch.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <map>

#include "core/error.h"
#include "core/file_content.h"
#include "core/numbers.h"
#include "datasets/readers/readers.h"
#include "datasets/recipes/stem_names.h"

namespace stemsmith {
namespace {

constexpr char kRest[] = "rest";
constexpr double kLowestGainDb = -120, kHighestGainDb = 60;
constexpr int kHighestProgram = 128;  // SLAKH's number for drums
// What of a dataset's description is text.
constexpr std::array kTextAttributes{"inst_class", "plugin", "stem", "instrument", "component"};
// Those by which sources are sorted where there is no recipe; a dataset has one of them, or none.
constexpr std::array kClassAttributes{"inst_class", "stem", "instrument"};

bool IsGlob(const std::string& pattern) {
  return pattern.find_first_of("*?[") != std::string::npos;
}

// How many values of the attribute the source has, and how many of them fit one of the patterns: as
// a name, or where it is one as a glob; case does not matter.
struct Fit {
  int values = 0, fitting = 0;
};

bool MatchesAny(const std::vector<std::string>& patterns, const std::string& value) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return strcasecmp(pattern.c_str(), value.c_str()) == 0 ||
           (IsGlob(pattern) && fnmatch(pattern.c_str(), value.c_str(), FNM_CASEFOLD) == 0);
  });
}

Fit FitOf(const SourceStem& source, const std::string& attribute,
          const std::vector<std::string>& patterns) {
  Fit fit;
  for (const auto& [key, value] : source.attributes) {
    if (key != attribute) continue;
    ++fit.values;
    fit.fitting += MatchesAny(patterns, value);
  }
  return fit;
}

RecipeEntry EntryOf(const std::string& pattern, const std::string& where) {
  if (pattern.empty()) {
    throw Error::Usage("a source without a name", where, "name a source, a glob, or rest");
  }
  RecipeEntry entry;
  entry.pattern = pattern;
  entry.glob = IsGlob(pattern);
  entry.rest = pattern == kRest;
  return entry;
}

// "32-39", "32" or a list of such.
std::vector<std::pair<int, int>> ProgramsOf(const Config& config) {
  std::vector<std::pair<int, int>> programs;
  for (const std::string& text : config.Strings("program")) {
    const std::size_t dash = text.find('-');
    const Range<int> programs_there_are = {0, kHighestProgram};
    // Spaces may stand around the dash.
    std::string begin = text.substr(0, dash), end = text.substr(dash + 1);
    if (dash != std::string::npos) begin.erase(begin.find_last_not_of(' ') + 1);
    end.erase(0, end.find_first_not_of(' '));
    const auto first = NumberIn(begin, programs_there_are);
    const auto last = dash == std::string::npos ? first : NumberIn(end, programs_there_are);
    if (!first || !last || *last < *first) {
      throw Error::Usage("'program' must be a number or a range such as 32-39, not '" + text + "'",
                         config.Where("program"), "programs are numbered 0 to 127, drums are 128");
    }
    programs.emplace_back(*first, *last);
  }
  return programs;
}

AttributeSelector SelectorOf(const Config& config) {
  AttributeSelector selector;
  for (const char* key : kTextAttributes) {
    if (!config.Has(key)) continue;
    std::vector<std::string> patterns = config.Strings(key);
    // MoisesDB writes "other_keys" and "other keys", and its reader the latter.
    if (key == std::string("stem") || key == std::string("instrument")) {
      for (std::string& pattern : patterns) std::replace(pattern.begin(), pattern.end(), '_', ' ');
    }
    selector.texts.emplace_back(key, std::move(patterns));
  }
  if (config.Has("program")) selector.programs = ProgramsOf(config);
  if (config.Has("is_drum")) selector.is_drum = config.Bool("is_drum", false);
  return selector;
}

// A name, or {source: name or list, gain_db: …, optional: silence}, or the same with attributes in
// the place of `source`.
void AddEntries(const Config& value, RecipeTarget& target) {
  if (!value.IsMap()) {
    target.entries.push_back(EntryOf(value.AsString(), value.Where()));
    return;
  }
  const double gain_db = value.NumberIn("gain_db", 0.0, kLowestGainDb, kHighestGainDb);
  const bool optional = value.Choice("optional", "no", {"no", "silence"}) == "silence";
  std::vector<RecipeEntry> entries;
  const AttributeSelector selector = SelectorOf(value);
  if (!selector.empty()) {
    if (value.Has("source")) {
      throw Error::Usage("an entry selects by 'source' or by attributes, not by both",
                         value.Where("source"), "make it two entries of a list");
    }
    entries.emplace_back().attributes = selector;
  } else {
    const Config source = value.Value("source");
    for (const Config& name : source.IsList() ? source.Items() : std::vector<Config>{source}) {
      entries.push_back(EntryOf(name.AsString(), name.Where()));
    }
  }
  for (RecipeEntry& entry : entries) {
    entry.gain_db = gain_db;
    entry.optional = optional;
    target.entries.push_back(std::move(entry));
  }
}

SplitChannels ChannelsOf(const Config& config) {
  const std::vector<std::string> words = {"stereo", "mono", "left", "right"};
  const auto one = [&](const Config& parent, const std::string& key) {
    const std::string word = parent.Choice(key, "stereo", words);
    return static_cast<SourceChannels>(std::find(words.begin(), words.end(), word) - words.begin());
  };
  if (config.Has("channels") && config.Value("channels").IsMap()) {
    const Config splits = config.Child("channels");
    return {one(splits, "train"), one(splits, "valid"), one(splits, "test")};
  }
  const SourceChannels all = one(config, "channels");
  return {all, all, all};
}

void CheckStemName(const std::string& name, const std::string& where) {
  if (!name.empty() && !IsMixtureName(name) && name.find('/') == name.npos &&
      !name.starts_with('.')) {
    return;
  }
  throw Error::Usage("a stem cannot be called '" + name + "'", where,
                     "mixture and mix are reserved, and a stem's name becomes a file's");
}

// The stem that takes up the difference: one of the recipe's, or one of its own behind them.
void ReadResidual(const Config& config, Recipe& recipe) {
  if (!config.Has("residual")) {
    throw Error::Usage("`mixture: recorded` needs a stem for what the sources do not explain",
                       config.Where("mixture"),
                       "write `residual: STEM`, one of the stems or another name");
  }
  recipe.residual = config.RequiredString("residual");
  CheckStemName(recipe.residual, config.Where("residual"));
  const std::vector<std::string> stems = recipe.stems();
  if (std::find(stems.begin(), stems.end(), recipe.residual) == stems.end()) {
    recipe.targets.push_back({recipe.residual, {}});
  }
}

// Names or globs of sources: one or a list.
std::vector<std::string> NamesOf(const Config& config, const std::string& key) {
  if (!config.Has(key)) return {};
  const std::vector<std::string> names = config.Strings(key);
  for (const std::string& name : names) {
    if (name.empty()) throw Error::Usage("'" + key + "' holds an empty name", config.Where(key));
  }
  return names;
}

Recipe FromConfig(const Config& config, const std::string& where) {
  Recipe recipe;
  recipe.where = where;
  const bool recorded = config.Choice("mixture", "sum", {"sum", "recorded"}) == "recorded";
  recipe.source_channels = ChannelsOf(config);
  const Config stems = config.Value("stems");
  if (!stems.IsMap()) throw Error::Usage("'stems' must be a map: target: sources", stems.Where());
  std::size_t rests = 0;
  for (const std::string& name : stems.Keys()) {
    RecipeTarget target;
    target.name = name;
    CheckStemName(name, stems.Where(name));
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
  if (recorded) ReadResidual(config, recipe);
  recipe.mixture_files = NamesOf(config, "mixture_file");
  recipe.ignored = NamesOf(config, "ignore");
  if (config.Has("audio_stream")) {
    DecodeOptions choice;
    ChooseStream(config.RequiredString("audio_stream"), config.Where("audio_stream"), choice);
    recipe.stream = choice.stream;
    recipe.language = choice.language;
  }
  config.CheckAllRead();
  recipe.text = config.Dump();
  return recipe;
}

// A target for every value of the attribute that a source has; none where no source has it. What
// several classes share belongs to none.
Recipe RecipeByClass(const std::vector<Track>& tracks, const char* attribute) {
  std::map<std::string, std::string> classes;  // by their name in lower case, which is the same
  for (const Track& track : tracks) {
    if (track.problem) continue;
    for (const SourceStem& source : track.sources) {
      const std::string* inst_class = source.Attribute(attribute);
      if (inst_class == nullptr || FitOf(source, attribute, {"*"}).values > 1) continue;
      std::string lower = *inst_class;
      for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      }
      classes.emplace(lower, *inst_class);
    }
  }
  Recipe recipe;
  for (const auto& [lower, inst_class] : classes) {
    std::string name = inst_class;
    std::replace(name.begin(), name.end(), '/', '-');  // a stem's name becomes a file's
    RecipeEntry entry;
    entry.optional = true;
    entry.attributes.texts = {{attribute, {inst_class}}};
    recipe.targets.push_back({name, {entry}});
  }
  return recipe;
}

}  // namespace

bool AttributeSelector::empty() const { return texts.empty() && programs.empty() && !is_drum; }

bool AttributeSelector::Holds(const SourceStem& source) const {
  for (const auto& [attribute, patterns] : texts) {
    const Fit fit = FitOf(source, attribute, patterns);
    if (fit.values == 0 || fit.fitting < fit.values) return false;
  }
  if (is_drum) {
    const std::string* value = source.Attribute("is_drum");
    if (value == nullptr || (*value == "true") != *is_drum) return false;
  }
  if (programs.empty()) return true;
  const std::string* value = source.Attribute("program");
  if (value == nullptr) return false;
  const int program = NumberIn<int>(*value, {}).value_or(-1);
  return std::any_of(programs.begin(), programs.end(), [&](const std::pair<int, int>& range) {
    return program >= range.first && program <= range.second;
  });
}

bool AttributeSelector::HoldsInPart(const SourceStem& source) const {
  return std::any_of(texts.begin(), texts.end(), [&](const auto& text) {
    const Fit fit = FitOf(source, text.first, text.second);
    return fit.fitting > 0 && fit.fitting < fit.values;
  });
}

SourceChannels SplitChannels::Of(const std::string& split) const {
  return split == "train" ? train : split == "valid" ? valid : test;
}

bool SplitChannels::AllOne() const {
  return train != SourceChannels::kStereo && valid != SourceChannels::kStereo &&
         test != SourceChannels::kStereo;
}

std::vector<std::string> Recipe::stems() const {
  std::vector<std::string> names;
  for (const RecipeTarget& target : targets) names.push_back(target.name);
  return names;
}

Recipe LoadRecipe(const std::filesystem::path& path) {
  CheckContent(path, FileUse::kRecipeFile);
  return FromConfig(Config::Load(path), path.string());
}

Recipe ParseRecipe(const std::string& text, const std::string& name) {
  return FromConfig(Config::Parse(text, name), name);
}

Recipe DefaultRecipe(const std::vector<Track>& tracks) {
  for (const char* attribute : kClassAttributes) {
    if (Recipe by_class = RecipeByClass(tracks, attribute); !by_class.targets.empty())
      return by_class;
  }
  std::map<std::string, std::size_t> counts;
  std::size_t songs = 0;
  for (const Track& track : tracks) {
    if (track.problem) continue;
    ++songs;
    if (NamesCarryTheSong(track)) continue;  // such names say nothing about other songs
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

}  // namespace stemsmith
