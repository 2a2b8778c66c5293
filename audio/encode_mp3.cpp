#include "audio/encode_mp3.h"

#include <sndfile.h>

#include <algorithm>

#include "audio/embedded_tags.h"
#include "audio/encode_sndfile.h"

namespace stemsmith {

double Mp3CompressionLevel(double kbps, int sample_rate_hz) {
  const double low = sample_rate_hz >= 32000 ? 32.0 : 8.0;
  const double high = sample_rate_hz >= 32000 ? 320.0 : sample_rate_hz >= 16000 ? 160.0 : 64.0;
  return std::clamp((high - kbps) / (high - low), 0.0, 1.0);
}

double LameGain(double kbps, int sample_rate_hz) {
  // The nearest rate of MPEG-1 counts, of two the lower; the others have none above 160.
  if (sample_rate_hz < 32000 || kbps <= 176) return 0.95;
  if (kbps <= 208) return 0.97;
  return kbps <= 240 ? 0.98 : 1.0;
}

std::unique_ptr<Encoder> OpenMp3(const EncodeJob& job) {
  const double kbps = job.bit_rate / 1000.0;
  return OpenSndfile(
      job, {.format = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III,
            .compression_level = Mp3CompressionLevel(kbps, job.sample_rate_hz),
            .constant_bit_rate = true,
            .gain = static_cast<float>(1 / LameGain(kbps, job.sample_rate_hz)),
            .writes_tags = false,
            .insert = Id3Tag(job.options)});
}

}  // namespace stemsmith
