// A song of the cache, or a part of it, as audio that can be separated.
#pragma once

#include <cstdint>
#include <vector>

#include "audio/decode.h"
#include "datasets/cache/cache.h"

namespace stemsmith {

// The mixture: the sum of all stems. One thread at a time.
class MixReader : public AudioReader {
 public:
  // `cache` holds audio and must outlive it; [start, start + frames) lies in the song.
  MixReader(const CacheReader& cache, std::size_t track, std::int64_t start, std::int64_t frames);
  const AudioInfo& info() const override { return info_; }
  std::size_t Read(float* out, std::size_t frames) override;
  void Rewind() override { given_ = 0; }

 private:
  const CacheReader& cache_;
  const std::size_t track_;
  const std::int64_t start_;
  AudioInfo info_;
  std::int64_t given_ = 0;
  std::vector<float> stems_;  // [S, C, n] of a block
};

// Stems [S, C, n], one after the other → their sum [C, n].
AudioBuffer SumStems(const std::vector<float>& stems, int channels, std::size_t frames);

}  // namespace stemsmith
