// Several models on one song, and one result of all.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "core/visibility.h"
#include "separate/averaged_song.h"
#include "separate/combined_song.h"
#include "separate/runtime.h"
#include "separate/song_separator.h"
#include "separate/stem_stream.h"

namespace stemsmith {

// The stems that all models give, in the order of the first. Throws Error::Usage where their sample
// rates differ, or their stems: with `only_common` where they have none in common. Where some would
// do, `advice` says what to do instead of choosing these.
STEMSMITH_PUBLIC std::vector<std::string> StemsOfAll(const std::vector<Runtime*>& models,
                                                     bool only_common = false,
                                                     const std::string& advice = "");

// Begins a song: reads it once more from its beginning.
using OpenReader = std::function<std::unique_ptr<AudioReader>()>;

// The song separated by each of the models, in all passes, and these results combined. The models
// must outlive it.
STEMSMITH_PUBLIC std::unique_ptr<SongSeparator> SeparateByModels(
    const std::vector<Runtime*>& models, const OpenReader& open, const StemStreamOptions& stream,
    const PassOptions& passes = {}, const EnsembleOptions& ensemble = {});

}  // namespace stemsmith
