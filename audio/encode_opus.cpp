#include <sndfile.h>

#include "audio/encode_sndfile.h"

namespace stemsmith {

std::unique_ptr<Encoder> OpenOpus(const EncodeJob& job) {
  // Bits per second and channel that libsndfile's levels stand for.
  constexpr double kMost = 256000, kFewest = 6000;
  const double wanted = static_cast<double>(job.bit_rate) / job.channels;
  return OpenSndfile(job, {.format = SF_FORMAT_OGG | SF_FORMAT_OPUS,
                           .compression_level = (kMost - wanted) / (kMost - kFewest)});
}

}  // namespace stemsmith
