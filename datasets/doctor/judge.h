// From what was measured of a song to findings. Private to the doctor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "datasets/doctor/comparison.h"
#include "datasets/doctor/finding.h"
#include "datasets/doctor/meter.h"
#include "datasets/readers/track.h"

namespace stemsmith {

// A source or the mixture.
struct MeasuredPart {
  std::string name;
  AudioInfo info;                    // of its file
  std::unique_ptr<StemMeter> meter;  // at the file's own rate; null where it could not be opened
  bool failed = false;               // could not be opened, or not read to its end

  bool opened() const { return meter != nullptr; }
  bool whole() const { return meter != nullptr && !failed; }
};

struct MeasuredSong {
  std::vector<MeasuredPart> parts;  // the sources in the track's order, then the mixture
  bool has_mixture = false;
  bool has_residual = false;  // a stem of the recipe takes up what the others leave of the mixture
  int sample_rate_hz = 0;
  PartProducts products{0};

  std::size_t sources() const { return parts.size() - (has_mixture ? 1 : 0); }
  const MeasuredPart* mixture() const { return has_mixture ? &parts.back() : nullptr; }
  // Of the longest source.
  double seconds() const;
  bool whole() const;  // every part
};

// Files that cannot be read are not repeated here.
std::vector<Finding> JudgeSong(const Track& track, const MeasuredSong& song,
                               const DoctorLimits& limits);

}  // namespace stemsmith
