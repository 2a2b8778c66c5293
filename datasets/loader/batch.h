// What the loader gives, and where it stands in the stream of samples.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stemsmith {

// Pooled: handing a Batch back (its destruction) makes its buffers free for a later one. May
// outlive the loader.
struct Batch {
  std::int64_t batch = 0, stems = 0, channels = 0;
  std::int64_t frames = 0;        // T: segment_frames + 2 · context_frames
  std::vector<float> mix;         // [B, C, T] = sum of stems over S
  std::vector<float> stem_audio;  // [B, S, C, T]
  // From a cache of spectrograms both hold magnitudes: `channels` is C · F, `frames` is N =
  // segment_frames / hop, and the mixture's are not the sum of the stems'.
  std::uint64_t epoch = 0;
  std::int64_t index = 0;           // number of the batch in its epoch
  std::vector<std::string> tracks;  // B names: the song that the first stem comes from
};

// A place in the sample stream; what a checkpoint keeps.
struct LoaderPosition {
  std::uint64_t epoch = 0;
  std::int64_t batch = 0;
  bool operator==(const LoaderPosition&) const = default;
};

}  // namespace stemsmith
