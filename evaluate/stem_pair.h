// The reference stems of a song and their estimates, read side by side.
#pragma once

#include <cstddef>

namespace stemsmith {

// One thread at a time.
class StemPair {
 public:
  virtual ~StemPair() = default;
  virtual int sources() const = 0;   // S
  virtual int channels() const = 0;  // C
  virtual std::size_t frames() const = 0;
  // Frames [begin, end) of the channels of all references, then of all estimates: `out` becomes
  // [2·S·C, end − begin], planar. Metrics ask for one stretch after another, a little overlapping.
  virtual void Read(std::size_t begin, std::size_t end, float* out) = 0;
};

}  // namespace stemsmith
