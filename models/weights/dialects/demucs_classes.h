// The classes of Python's demucs: what a package is of when it is read, and made of when it is
// written.
#pragma once

#include <cstdint>
#include <vector>

namespace stemsmith {

// The row of a class and the parameters that it takes, in order.
struct DemucsClass {
  const char* klass;
  const char* row;                 // of our table of models
  const char* segment;             // parameter that says how long segments are …
  bool segment_in_frames;          // … in frames or in seconds
  std::int64_t default_segment_s;  // where it is not given
  const char* parameters;          // "sources audio_channels …", without samplerate and segment
};
// The first row of a model is the class that packages are written with.
const std::vector<DemucsClass>& DemucsClasses();

}  // namespace stemsmith
