// How a whole song goes through a model: what `separate` does with every song, and validation with
// those it judges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "separate/manifest.h"
#include "separate/overlap_add.h"

namespace stemsmith {

// How a program joins segments.
struct OverlapStyle {
  const char* name;
  const char* summary;
  Tail tail;
  std::optional<Window> window;  // none: the manifest's
  double overlap;                // where none is asked for; negative: the manifest's
  bool is_msst = false;          // MsstOverlapAdd, with a window of its own
};
const std::vector<OverlapStyle>& OverlapStyleTable();

// What is asked for instead of what the manifest advises.
struct OverlapChoice {
  std::string style, window;        // names, of OverlapStyleTable() and kWindows; empty: none
  double segment_seconds = 0;       // 0: none
  std::int64_t segment_frames = 0;  // the same in frames; 0: none
  double overlap = -1;              // negative: none
};

// Segment, overlap, window and tail, with all channels and stems of the manifest, for a song of
// `frames` frames at its rate (-1: not known). A song shorter than the manifest's segment gets a
// shorter one where the model and the style take it, so that a second of sound does not cost six
// seconds of computing. Throws Error::Usage for unknown names, and for what the model or the style
// does not take.
OverlapAddOptions SongOverlapAdd(const Manifest& manifest, std::int64_t frames,
                                 const OverlapChoice& choice = {});

}  // namespace stemsmith
