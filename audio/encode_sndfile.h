// Files that libsndfile writes. Private to audio/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "audio/encode_backend.h"

namespace stemsmith {

struct SndfileSettings {
  int format = 0;  // libsndfile's SF_FORMAT_…
  // 0 (most bits) to 1; how it stands to bit rates is each codec's own business.
  std::optional<double> compression_level;
  bool constant_bit_rate = false;
  float gain = 1;           // of samples of floats, against what the codec does to them
  bool writes_tags = true;  // those that libsndfile knows
  std::int64_t insert_at = 0;  // OutputFile::Insert()
  std::string insert;
};

std::unique_ptr<Encoder> OpenSndfile(const EncodeJob& job, const SndfileSettings& settings);

}  // namespace stemsmith
