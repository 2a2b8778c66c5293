#include "audio/aac_round_trip.h"

#include <algorithm>
#include <array>
#include <string>

#include "audio/encode_backend.h"
#include "core/error.h"
#include "core/module.h"

namespace stemsmith {
namespace {

// ISO/IEC 14496-3, samplingFrequencyIndex.
constexpr std::array kRates = {7350,  8000,  11025, 12000, 16000, 22050, 24000,
                               32000, 44100, 48000, 64000, 88200, 96000};

ThroughAacFunction* Load(const char* purpose) {
  return reinterpret_cast<ThroughAacFunction*>(
      LoadModuleSymbol("libav", "stemsmith_through_aac", purpose));
}

}  // namespace

void RequireAac(const char* purpose) { Load(purpose); }

bool AacHasRate(int sample_rate_hz) {
  return std::find(kRates.begin(), kRates.end(), sample_rate_hz) != kRates.end();
}

void ThroughAac(float* planar, int channels, std::size_t frames, int sample_rate_hz, int bit_rate) {
  if (frames == 0) return;
  if (!AacHasRate(sample_rate_hz))
    throw Error::Usage("AAC has no sample rate of " + std::to_string(sample_rate_hz) + " Hz", "",
                       "44100 and 48000 Hz are common");
  Load("AAC")(planar, channels, frames, sample_rate_hz, bit_rate);
}

}  // namespace stemsmith
