#include "audio/audio.h"

#include <algorithm>
#include <cstring>

namespace stemsmith {

void Deinterleave(const float* interleaved, int channels, std::size_t frames, float* planar) {
  for (int c = 0; c < channels; ++c) {
    float* out = planar + static_cast<std::size_t>(c) * frames;
    for (std::size_t t = 0; t < frames; ++t) out[t] = interleaved[t * channels + c];
  }
}

void Interleave(const float* planar, int channels, std::size_t frames, float* interleaved) {
  for (int c = 0; c < channels; ++c) {
    const float* in = planar + static_cast<std::size_t>(c) * frames;
    for (std::size_t t = 0; t < frames; ++t) interleaved[t * channels + c] = in[t];
  }
}

void RemixChannels(const float* in, int channels_in, float* out, int channels_out,
                   std::size_t frames) {
  if (channels_in == channels_out) {
    std::copy_n(in, frames * channels_in, out);
    return;
  }
  for (std::size_t t = 0; t < frames; ++t) {
    const float* from = in + t * channels_in;
    float* to = out + t * channels_out;
    if (channels_out == 1) {
      float sum = 0;
      for (int c = 0; c < channels_in; ++c) sum += from[c];
      to[0] = sum / static_cast<float>(channels_in);
    } else if (channels_in == 1) {
      std::fill_n(to, channels_out, from[0]);
    } else {
      for (int c = 0; c < channels_out; ++c) to[c] = c < channels_in ? from[c] : 0.0f;
    }
  }
}

}  // namespace stemsmith
