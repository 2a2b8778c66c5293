// Vorbis.
#include <sndfile.h>

#include <algorithm>
#include <array>

#include "audio/encode_sndfile.h"

namespace stemsmith {
namespace {

// Bits per second that Vorbis' qualities 0, 0.1 … 1 give a stereo stream at 44.1 kHz, about.
constexpr std::array kBitRates = {64e3,  80e3,  96e3,  112e3, 128e3, 160e3,
                                  192e3, 224e3, 256e3, 320e3, 500e3};

double QualityFor(double bit_rate) {
  const auto next = std::lower_bound(kBitRates.begin(), kBitRates.end(), bit_rate);
  if (next == kBitRates.begin()) return 0;
  if (next == kBitRates.end()) return 1;
  const double steps = static_cast<double>(next - kBitRates.begin());
  return 0.1 * (steps - (*next - bit_rate) / (*next - next[-1]));
}

}  // namespace

std::unique_ptr<Encoder> OpenOgg(const EncodeJob& job) {
  const double stereo = 2.0 * job.bit_rate / job.channels;
  return OpenSndfile(job, {.format = SF_FORMAT_OGG | SF_FORMAT_VORBIS,
                           .compression_level = 1 - QualityFor(stereo)});
}

}  // namespace stemsmith
