// Augmentation of stems: a chain that first may change the plan of what is read (remix, shift) and
// then the audio. The mixture is summed after the chain, so it is always the sum of the stems.
//
// Every decision draws from the RandomStream it is handed, which is a function of (seed, epoch,
// sample index) alone: any number of worker threads gives the same bits. Augmentations are
// immutable and shared by threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/random.h"

namespace stemsmith {

// One sample's stems [S, C, T], planar and packed, in place.
struct StemBlock {
  float* data = nullptr;
  int stems = 0;
  int channels = 0;
  std::int64_t frames = 0;
  int sample_rate_hz = 44100;
  float* channel(int stem, int c) const {
    return data + (static_cast<std::int64_t>(stem) * channels + c) * frames;
  }
};

class EpochSamples;

// Where each stem of one sample is read from. A start may lie before 0 or past the end: read as
// silence.
struct ReadPlan {
  struct Piece {
    std::size_t track = 0;  // number in the TrackTable
    std::int64_t start_frame = 0;
    bool operator==(const Piece&) const = default;
  };
  // More of the same stem from elsewhere, added to it when it is read.
  struct Extra {
    std::size_t stem = 0;
    Piece piece;
    float factor = 1.0f;
    bool operator==(const Extra&) const = default;
  };
  std::vector<Piece> stems;
  // T. An augmentation that gives fewer frames than it takes (faster tempo) raises it here.
  std::int64_t frames = 0;
  std::vector<Extra> extras;
  // Which sample of which epoch this is; without an epoch the sample stands alone.
  const EpochSamples* epoch = nullptr;
  std::int64_t index = 0;
};

// The samples of an epoch over all ranks, for plans that trade with their neighbours. Immutable.
class EpochSamples {
 public:
  virtual ~EpochSamples() = default;
  virtual std::int64_t size() const = 0;
  // Where a stem of sample `index` in [0, size) is read from before any augmentation.
  virtual ReadPlan::Piece PieceOf(std::int64_t index, std::size_t stem) const = 0;
  // A stream that all samples of the epoch have in common.
  virtual RandomStream SharedStream() const = 0;
};

// What a plan may know of the tracks it draws from: the tracks of one split, in the order of the
// cache. Immutable, shared by threads.
class TrackTable {
 public:
  TrackTable() = default;
  // `frames`: the length of each track. `stems`: their names, in the order of ReadPlan::stems.
  TrackTable(std::vector<std::int64_t> frames, int sample_rate_hz,
             std::vector<std::string> stems = {});

  std::size_t size() const { return frames_.size(); }
  std::int64_t frames(std::size_t track) const { return frames_[track]; }
  std::int64_t longest_frames() const;
  std::int64_t total_frames() const { return ends_.empty() ? 0 : ends_.back(); }
  int sample_rate_hz() const { return sample_rate_hz_; }
  const std::vector<std::string>& stems() const { return stems_; }

  // The first and the last start at which a segment lies wholly inside the track. A track shorter
  // than the segment lies wholly inside the segment instead (starts ≤ 0): all of it is heard, the
  // rest is silence.
  std::int64_t FirstStart(std::size_t track, std::int64_t segment_frames) const;
  std::int64_t LastStart(std::size_t track, std::int64_t segment_frames) const;

  // The segment at a point in [0, total_frames()) of all tracks laid end to end. Points spread
  // evenly give tracks by their length, and in each track every start alike.
  ReadPlan::Piece At(std::int64_t point, std::int64_t segment_frames) const;
  // A segment from anywhere, uniform in time.
  ReadPlan::Piece Draw(std::int64_t segment_frames, RandomStream& random) const;

 private:
  std::vector<std::int64_t> frames_, ends_;  // ends_: running sums of frames_
  int sample_rate_hz_ = 44100;
  std::vector<std::string> stems_;
};

// A change of a stem that needs no look at its samples. A chain gathers such changes and makes them
// in one pass over the audio.
struct StemChange {
  float factor = 1.0f;   // of all samples
  bool swapped = false;  // channels 0 and 1 change places
};

// An augmentation that has both a plan and audio is given the same `random` in both, so that it can
// draw its decision twice. Apply may lower block.frames, with the audio packed again, where its
// plan asked for more.
class Augmentation {
 public:
  virtual ~Augmentation() = default;
  virtual void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream& random) const {}
  // For what can be said so: adds it to the changes (one per stem, of `channels` channels) and is
  // true. Apply does the same on the audio.
  virtual bool ChangeStems(std::span<StemChange> changes, int channels,
                           RandomStream& random) const {
    return false;
  }
  virtual void Apply(StemBlock& block, RandomStream& random) const;
  // Throws Error where its configuration names a stem that is not among these.
  virtual void CheckStems(const std::vector<std::string>& stems) const {}
};

// An augmentation that only changes what is read.
class PlanAugmentation : public Augmentation {
 public:
  bool ChangeStems(std::span<StemChange>, int, RandomStream&) const final { return true; }
};

// One row of the table in registry.cpp; `config` is the list item of the configuration (without
// `name` and `probability`, which the chain reads).
struct AugmentationRow {
  const char* name;
  const char* summary;
  std::unique_ptr<Augmentation> (*make)(const Config& config);
};
const std::vector<AugmentationRow>& AugmentationTable();

// The configured list `augment: [{name: gain, probability: 0.5, …}, …]`, applied in order. Copies
// share their augmentations.
class AugmentChain {
 public:
  AugmentChain() = default;
  // Throws Error for unknown names (with the nearest one) and for values out of range. Keys that
  // nothing reads are left to Config::CheckAllRead() of whoever loaded the file.
  explicit AugmentChain(const std::vector<Config>& items);
  // Appends a link that acts on a sample with this probability.
  void Add(std::string name, double probability, std::shared_ptr<const Augmentation> augmentation);
  bool empty() const { return links_.empty(); }
  std::size_t size() const { return links_.size(); }
  const std::string& name(std::size_t link) const { return links_[link].name; }

  // Throws Error where a link's configuration names a stem that is not among these.
  void CheckStems(const std::vector<std::string>& stems) const;

  // The k-th link draws from random.Fork(k) for its plan and its audio, so links do not disturb
  // each other. Whether it acts is drawn once per sample: Plan and Apply given the same `random`
  // agree on it. Apply leaves at least the frames that Plan found in `plan`.
  void Plan(ReadPlan& plan, const TrackTable& tracks, const RandomStream& random) const;
  void Apply(StemBlock& block, const RandomStream& random) const;
  // What Apply does to `stems` stems of `channels` channels where changes are all of it, one per
  // stem; nothing where an augmentation that acts works on the audio.
  std::optional<std::vector<StemChange>> ChangesAlone(int stems, int channels,
                                                      const RandomStream& random) const;
  // As Apply, but leaves the changes at the end of the chain, one per stem, to the caller: for
  // ChangeAndSum, which goes over the audio anyway.
  std::vector<StemChange> ApplyBeforeChanges(StemBlock& block, const RandomStream& random) const;

 private:
  struct Link {
    std::string name;
    double probability = 1.0;
    std::shared_ptr<const Augmentation> augmentation;
  };
  std::vector<Link> links_;
};

}  // namespace stemsmith
