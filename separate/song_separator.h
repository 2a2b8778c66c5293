// From a song to its stems, as a stream: an audio reader went in when it was made, stems come out
// block by block. StemStream is one, by a model.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "core/visibility.h"

namespace stemsmith {

// One thread at a time; no files, no terminal. Every stem has the input's rate, channels and
// length, to the frame.
class STEMSMITH_PUBLIC SongSeparator {
 public:
  virtual ~SongSeparator() = default;

  virtual const AudioInfo& info() const = 0;                  // of the input, and of every stem
  virtual const std::vector<std::string>& stems() const = 0;  // in the order of Read()
  virtual std::vector<Damage> damage() const = 0;             // of the input, as far as it was read
  // The next frames of all stems: blocks[s] becomes [n, C] interleaved. Returns n ≤ frames, 0 only
  // at the end. Throws Error for damaged input.
  virtual std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) = 0;
};

// All of every stem, planar. For short songs and tests; long work uses blocks.
STEMSMITH_PUBLIC std::vector<AudioBuffer> ReadAllStems(SongSeparator& song);

}  // namespace stemsmith
