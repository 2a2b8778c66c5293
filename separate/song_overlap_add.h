// How a whole song goes through a model: what `separate` does with every song, and validation with
// those it judges.
#pragma once

#include <cstdint>

#include "separate/manifest.h"
#include "separate/overlap_add.h"

namespace stemsmith {

// Segment, overlap, window and tail that the manifest asks for, with its channels and all its
// stems, for a song of `frames` frames at its rate (-1: not known). A song shorter than the
// manifest's segment gets a shorter one where the model takes it, so that a second of sound does
// not cost six seconds of computing.
OverlapAddOptions SongOverlapAdd(const Manifest& manifest, std::int64_t frames);

}  // namespace stemsmith
