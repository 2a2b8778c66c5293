// What a model file says of itself to those who use it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stemsmith {

struct ModelInfo {
  std::string model_name;          // row of the model table: "unet", "demucs_v2", …
  std::vector<std::string> stems;  // in the order of the S dimension
  int sample_rate_hz = 44100;
  int channels = 2;
  std::int64_t segment_frames =
      0;  // the length separate uses; the graph's length where not dynamic
};

}  // namespace stemsmith
