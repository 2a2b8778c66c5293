// The table of the formats that are written.
//
// Sample rates that a format lacks are resampled (libsoxr, very high quality) to the next higher
// one that it has, or to its highest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audio/encode_options.h"
#include "core/visibility.h"

namespace stemsmith {

// "16", "24", "32f".
STEMSMITH_PUBLIC const char* SampleFormatName(SampleFormat format);

class Encoder;
struct EncodeJob;

struct STEMSMITH_PUBLIC FormatRow {
  struct BitRates {
    int per_channel = 0;          // where nobody asks
    int lowest = 0, highest = 0;  // of a stereo stream
  };

  const char* name;     // "flac", as users write it
  const char* ending;   // ".flac"
  const char* summary;  // a few words for lists of formats
  // The first is what is written where nobody asks. Empty: the format is lossy and has none. Of a
  // lossy format: it is lossless where one is asked for.
  std::vector<SampleFormat> sample_formats = {};
  BitRates bit_rates = {};       // of lossy formats, bits per second
  int highest_channels = 65535;  // of a stream
  int highest_rate_hz = INT32_MAX;
  std::vector<int> rates_hz = {};  // rising; empty: every rate up to the highest
  bool many_streams = false;       // a file holds any number of streams, each with a name
  bool cover = false;              // a file holds a picture
  std::unique_ptr<Encoder> (*open)(const EncodeJob& job);

  bool lossy() const { return bit_rates.per_channel > 0; }
  bool Holds(SampleFormat format) const;
  // The rate itself where the format has it, else as said above.
  int RateFor(int sample_rate_hz) const;
};

STEMSMITH_PUBLIC const std::vector<FormatRow>& FormatTable();
// The names of those rows that `wanted` is true of: "wav, flac".
STEMSMITH_PUBLIC std::string FormatNames(const std::function<bool(const FormatRow&)>& wanted);
// Throws Error::Usage (nearest name, all names) for unknown formats.
STEMSMITH_PUBLIC const FormatRow& FindFormat(std::string_view name);

// What the format has not (sample format, bit rate, streams), whatever the audio is: throws
// Error::Usage that names the formats which have it.
STEMSMITH_PUBLIC void CheckEncodeOptions(const EncodeOptions& options);

}  // namespace stemsmith
