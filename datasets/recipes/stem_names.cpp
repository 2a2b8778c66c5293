#include "datasets/recipes/stem_names.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "core/text.h"

namespace stemsmith {
namespace {

// In small letters, without the digits at both ends ("mix2", "01"): none are left out as words.
std::vector<std::string> WordsOf(const std::string& name) {
  const std::string lower = LowerCase(name);
  std::vector<std::string> words(1);
  for (const char c : lower) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c < 0;
    if (letter) {
      words.back() += c;
    } else {
      words.emplace_back();
    }
  }
  for (std::string& word : words) {
    const std::size_t first = word.find_first_not_of("0123456789");
    const std::size_t last = word.find_last_not_of("0123456789");
    word = first == word.npos ? "" : word.substr(first, last - first + 1);
  }
  std::erase(words, "");
  return words;
}

}  // namespace

StemInName StemIn(const std::string& name, const std::string& song) {
  const std::string lower = LowerCase(name), lower_song = LowerCase(song);
  if (song.empty() || name.size() < song.size() + 2) return {};
  const std::size_t cut = name.size() - song.size();
  if (lower.starts_with(lower_song)) {
    const std::string rest = name.substr(song.size());
    const std::size_t stem = rest.find_first_not_of(kNameSeparators);
    if (stem != 0 && stem != rest.npos) return {rest.substr(stem), "*" + rest};
  }
  if (lower.ends_with(lower_song)) {
    const std::string rest = name.substr(0, cut);
    const std::size_t stem = rest.find_last_not_of(kNameSeparators);
    if (stem != rest.npos && stem + 1 != rest.size()) return {rest.substr(0, stem + 1), rest + "*"};
  }
  return {};
}

bool NamesCarryTheSong(const Track& track) {
  return track.sources.size() > 1 &&
         std::all_of(track.sources.begin(), track.sources.end(), [&](const SourceStem& source) {
           return !StemIn(source.name, track.name).pattern.empty();
         });
}

bool LooksLikeMixture(const std::string& name) {
  static const std::set<std::string_view> kMixture = {
      "mix",       "mixture",   "mixdown", "mixed",   "fullmix",  "finalmix",
      "roughmix",  "stereomix", "mixbus",  "master",  "mastered", "premaster",
      "mastering", "bounce",    "bounced", "fullsong"};
  // Words that say it only where no other word does.
  static const std::set<std::string_view> kAlone = {"final", "full", "song", "version", "v"};
  static const std::set<std::string_view> kInstruments = {
      "drum",    "drums",   "kick",       "kik",    "snare",    "hat",       "hats",
      "hihat",   "tom",     "toms",       "oh",     "overhead", "overheads", "cymbal",
      "cymbals", "perc",    "percussion", "bass",   "sub",      "guitar",    "guitars",
      "gtr",     "gtrs",    "acoustic",   "piano",  "keys",     "keyboard",  "keyboards",
      "organ",   "synth",   "synths",     "pad",    "pads",     "lead",      "strings",
      "brass",   "horns",   "vocal",      "vocals", "vox",      "voice",     "voices",
      "choir",   "backing", "bgv",        "bgvs",   "acapella", "fx",        "melody",
      "loop",    "room"};
  const std::vector<std::string> words = WordsOf(name);
  const auto any = [&](const std::set<std::string_view>& known) {
    return std::any_of(words.begin(), words.end(),
                       [&](const std::string& word) { return known.contains(word); });
  };
  if (any(kInstruments)) return false;
  if (any(kMixture)) return true;
  const std::string final_word = "final";
  return std::find(words.begin(), words.end(), final_word) != words.end() &&
         std::all_of(words.begin(), words.end(),
                     [&](const std::string& word) { return kAlone.contains(word); });
}

}  // namespace stemsmith
