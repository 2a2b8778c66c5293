// The waveform of a song as it is drawn: the lowest and the highest sample of parts of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stemsmith {

// For audio that comes block by block and whose length need not be known. Memory does not grow with
// the length.
class WaveformPeaks {
 public:
  // At most `most_parts` parts come out.
  explicit WaveformPeaks(std::size_t most_parts);

  // The next frames, interleaved [T, C]; the channels are looked at together.
  void Add(const float* interleaved, int channels, std::size_t frames);

  struct Part {
    float low = 0, high = 0;
  };
  // `most_parts` parts of equal length, or a part per frame where there are fewer. Of songs longer
  // than 16 frames a part the borders are off by up to a sixteenth of a part.
  std::vector<Part> Parts() const;
  std::int64_t frames() const { return frames_; }

 private:
  std::size_t most_parts_;
  std::int64_t frames_ = 0;
  std::int64_t step_ = 1;     // frames of each of fine_, perhaps fewer in the last
  std::vector<Part> fine_;    // 32 a part at most, and 16 at least where the song is long enough
};

}  // namespace stemsmith
