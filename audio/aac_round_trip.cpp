#include "audio/aac_round_trip.h"

#include <string>

#include "audio/encode.h"
#include "audio/encode_libav.h"
#include "core/error.h"
#include "core/module.h"

namespace stemsmith {
namespace {

ThroughAacFunction* Load(const char* purpose) {
  return reinterpret_cast<ThroughAacFunction*>(
      LoadModuleSymbol("libav", "stemsmith_through_aac", purpose));
}

}  // namespace

void RequireAac(const char* purpose) { Load(purpose); }

void ThroughAac(float* planar, int channels, std::size_t frames, int sample_rate_hz, int bit_rate) {
  if (frames == 0) return;
  if (FindFormat("m4a").RateFor(sample_rate_hz) != sample_rate_hz)
    throw Error::Usage("AAC has no sample rate of " + std::to_string(sample_rate_hz) + " Hz", "",
                       "44100 and 48000 Hz are common");
  Load("AAC")(planar, channels, frames, sample_rate_hz, bit_rate);
}

}  // namespace stemsmith
