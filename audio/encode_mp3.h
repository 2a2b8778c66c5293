// The bit rate of mp3 in libsndfile's words.
#pragma once

namespace stemsmith {

// The compression level, 0 to 1, that stands for this bit rate: a point between the lowest and the
// highest of the rates that MPEG-1, MPEG-2 or MPEG-2.5 has.
double Mp3CompressionLevel(double kbps, int sample_rate_hz);

}  // namespace stemsmith
