// Validation on fixed segments of songs: the loss, and the SDR of every stem. From a cache of
// spectrograms the loss alone: waveforms that an SDR could be taken of are not there.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "datasets/cache/cache.h"
#include "train/distributed.h"
#include "train/objective.h"

namespace stemsmith {

struct ValidationOptions {
  std::string split = "valid";
  std::int64_t segment_frames = 6 * 44100;
  std::int64_t max_segments = 64;  // 0: all
  int batch_size = 8;
};

struct ValidationFigures {
  double loss = 0.0;  // mean over the segments
  // [S]: median over the songs; NaN where a stem is silent in all of them. Empty where only the
  // loss is known.
  std::vector<double> sdr_db;
  std::vector<double> mixture_sdr_db;  // the same with the mixture taken as the estimate
  double mean_sdr_db = 0.0;            // over the stems that have one; NaN when none has

  // {"loss", "sdr_db": {STEM: …}, "mixture_sdr_db": {…}, "mean_sdr_db"}; what is not finite becomes
  // null; without SDRs the maps are empty.
  nlohmann::json ToJson(const std::vector<std::string>& stems) const;
};

// One thread at a time. Songs are cut into neighbouring segments, the last one filled up with
// silence; of more than max_segments an evenly spaced choice is taken, the same each time.
class Validation {
 public:
  // `cache` must outlive it.
  Validation(const CacheReader& cache, const ValidationOptions& options);
  std::int64_t segments() const { return static_cast<std::int64_t>(segments_.size()); }
  // Runs the model in eval mode without gradients, and leaves it in the mode it was in. Several
  // ranks share the batches out among themselves, and all get the figures that one alone would get.
  ValidationFigures Run(const Objective& objective, const torch::Device& device,
                        const Ranks& ranks = Ranks()) const;

 private:
  struct Segment {
    std::size_t track = 0;
    std::int64_t start = 0;
  };
  // [b, S, C, frames], read `context_frames` before each segment.
  torch::Tensor ReadAudio(std::span<const Segment> segments, std::int64_t context_frames) const;
  // The loss of a batch of segments, and what its SDRs are made of: energies [b, 3, S] of the
  // references, the errors, and the mixture's errors.
  double Judge(const Objective& objective, std::span<const Segment> segments,
               const torch::Device& device, torch::Tensor energies) const;
  double JudgeSpectrograms(const Objective& objective, std::span<const Segment> segments,
                           const torch::Device& device) const;
  // From the energies of all segments.
  void AddSdr(const torch::Tensor& energies, ValidationFigures& figures) const;
  const CacheReader& cache_;
  ValidationOptions options_;
  std::vector<Segment> segments_;
};

}  // namespace stemsmith
