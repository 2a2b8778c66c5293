// The bit rate of mp3 in libsndfile's words, and what LAME does to the level.
#pragma once

namespace stemsmith {

// The compression level, 0 to 1, that stands for this bit rate: a point between the lowest and the
// highest of the rates that MPEG-1, MPEG-2 or MPEG-2.5 has.
double Mp3CompressionLevel(double kbps, int sample_rate_hz);

// What LAME multiplies the samples of a constant bit rate with: 0.95 up to 160 kbit/s, and less than
// 1 up to 224. (LAME 3.100, measured; its table of presets. docs/separate.md, "Formats")
double LameGain(double kbps, int sample_rate_hz);

}  // namespace stemsmith
