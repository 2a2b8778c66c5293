// What preparing songs will do to them, from the headers of their files: told before hours are
// spent and a disk is filled.
#pragma once

#include <string>
#include <vector>

#include "core/host.h"
#include "datasets/prepare/options.h"
#include "datasets/readers/track.h"
#include "datasets/recipes/recipe.h"

namespace stemsmith {

struct SongToPrepare {
  const Track* track = nullptr;
  const TrackMix* mix = nullptr;
};

// Lines of text: at which rates the songs are where they are resampled, and about how much the
// cache's files of them take beside their sources, with what makes them smaller where that is much
// more. Files that cannot be opened are left out: they are told when they are decoded. Looks at
// `threads` songs side by side; none where the host asks to stop meanwhile.
std::vector<std::string> ForecastPreparation(const std::vector<SongToPrepare>& songs,
                                             const PrepareTrackOptions& options, int threads,
                                             const Host& host);

}  // namespace stemsmith
