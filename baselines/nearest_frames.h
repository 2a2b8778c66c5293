// For each frame of a spectrogram the frames most like it, wherever they are in the song: the first
// step of REPET-SIM (Z. Rafii & B. Pardo 2012, "Music/voice separation using the similarity
// matrix", ISMIR). The neighbours are those of librosa.segment.recurrence_matrix with cosine
// distances.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/host.h"

namespace stemsmith {

struct NearestOptions {
  std::size_t count = 100;  // neighbours of each frame, at most
  std::size_t width = 1;    // neighbours lie at least this many frames away, 1 or more
};

// Neighbours of each of N frames, the most similar first; of equal ones the earlier. All have
// min(count, as many as lie far enough away).
using NearestFrames = std::vector<std::vector<std::uint32_t>>;

// Copies the magnitudes [F] of frame n to `out`.
using FrameSource = std::function<void(std::size_t n, float* out)>;

// The similarity matrix is computed in blocks of which only the best neighbours are kept: the
// memory grows with N · count. A silent frame is as far from all others as can be.
NearestFrames FindNearestFrames(std::size_t frames, std::size_t bins, const FrameSource& source,
                                const NearestOptions& options, const Host& host = {});

}  // namespace stemsmith
