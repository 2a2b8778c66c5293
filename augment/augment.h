// Augmentation of stems: a chain that first may change the plan of what is read (remix, shift) and then the audio.
// The mixture is summed after the chain, so it is always the sum of the stems.
//
// Every decision draws from the RandomStream it is handed, which is a function of (seed, epoch, sample index)
// alone: any number of worker threads gives the same bits. Augmentations are immutable and shared by threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/random.h"

namespace stemsmith {

// One sample's stems [S, C, T], planar, in place.
struct StemBlock {
  float* data = nullptr;
  int stems = 0;
  int channels = 0;
  std::int64_t frames = 0;
  int sample_rate_hz = 44100;
  float* channel(int stem, int c) const { return data + (static_cast<std::int64_t>(stem) * channels + c) * frames; }
};

// Where each stem of one sample is read from. A start may lie before 0 or past the end: read as silence.
struct ReadPlan {
  struct Piece {
    std::size_t track = 0;
    std::int64_t start_frame = 0;
  };
  std::vector<Piece> stems;
  std::int64_t frames = 0;  // T
};

// What a plan may know of the tracks it draws from.
struct TrackTable {
  std::vector<std::int64_t> frames;  // length of each track
  int sample_rate_hz = 44100;
};

class Augmentation {
 public:
  virtual ~Augmentation() = default;
  virtual void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream& random) const {}
  virtual void Apply(StemBlock& block, RandomStream& random) const {}
};

// One row of the table in registry.cpp; `config` is the list item of the configuration (without `name` and
// `probability`, which the chain reads).
struct AugmentationRow {
  const char* name;
  const char* summary;
  std::unique_ptr<Augmentation> (*make)(const Config& config);
};
const std::vector<AugmentationRow>& AugmentationTable();

// The configured list `augment: [{name: gain, probability: 0.5, …}, …]`, applied in order.
class AugmentChain {
 public:
  AugmentChain() = default;
  // Throws Error for unknown names (with the nearest one).
  explicit AugmentChain(const std::vector<Config>& items);
  bool empty() const { return links_.empty(); }
  // The k-th link draws from random.Fork(k) for its plan and its audio, so links do not disturb each other.
  void Plan(ReadPlan& plan, const TrackTable& tracks, const RandomStream& random) const;
  void Apply(StemBlock& block, const RandomStream& random) const;

 private:
  struct Link {
    std::string name;
    double probability = 1.0;
    std::shared_ptr<const Augmentation> augmentation;
  };
  std::vector<Link> links_;
};

}  // namespace stemsmith
