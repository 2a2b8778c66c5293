#include "datasets/recipes/stem_names.h"

#include <algorithm>

#include "core/text.h"

namespace stemsmith {

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

}  // namespace stemsmith
