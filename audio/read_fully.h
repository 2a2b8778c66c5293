// A reader may give less than it is asked for.
#pragma once

#include <cstddef>

#include "audio/audio_reader.h"

namespace stemsmith {

// Reads `frames` interleaved frames, or all that are left, which is what it gives.
inline std::size_t ReadFully(AudioReader& reader, float* out, std::size_t frames) {
  const auto channels = static_cast<std::size_t>(reader.info().channels);
  std::size_t got = 0;
  while (got < frames) {
    const std::size_t count = reader.Read(out + got * channels, frames - got);
    if (count == 0) break;
    got += count;
  }
  return got;
}

}  // namespace stemsmith
