// A song separated several times in different ways, and the mean of the results: what a method
// makes of one place by chance cancels, at the cost of as many runs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "audio/audio_reader.h"
#include "core/visibility.h"
#include "separate/song_separator.h"

namespace stemsmith {

struct STEMSMITH_PUBLIC PassOptions {
  // The song is shifted this many times by up to half a second, each time differently (Python
  // demucs: `shifts`). 0: once, as it is.
  int shifts = 0;
  std::uint64_t seed = 0;  // of the shifts
  // The shifts themselves, in frames at the model's rate; empty: drawn. As demucs counts them: of
  // half a second, less than this many come before the song.
  std::vector<std::int64_t> shift_frames;
  // Beside the song as it is, with its two channels swapped, and with its sign turned; what comes
  // out is turned back. Of songs without two channels the sign alone.
  bool turned = false;

  bool once() const { return shifts == 0 && shift_frames.empty() && !turned; }
};

// How a song goes through one pass.
struct Pass {
  std::int64_t lead_frames = 0;  // silence before it, at the model's rate
  bool swapped = false, negated = false;
};

// The passes of a song of so many channels. Throws Error::Usage for shifts out of range.
STEMSMITH_PUBLIC std::vector<Pass> PassesOf(const PassOptions& options, int model_rate_hz,
                                            int channels);

// The song as it goes into a pass, but for its lead.
STEMSMITH_PUBLIC std::unique_ptr<AudioReader> TurnedSong(std::unique_ptr<AudioReader> song,
                                                         const Pass& pass);

// The mean of songs that have the same stems and lengths, after what was turned is turned back.
STEMSMITH_PUBLIC std::unique_ptr<SongSeparator> AverageSongs(
    std::vector<std::unique_ptr<SongSeparator>> songs, const std::vector<Pass>& passes);

}  // namespace stemsmith
