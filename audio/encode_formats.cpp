#include "audio/encode_formats.h"

#include <algorithm>
#include <functional>

#include "audio/encode_backend.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace {

using enum SampleFormat;

std::string Kbps(int bit_rate) { return std::to_string(bit_rate / 1000); }

}  // namespace

const std::vector<FormatRow>& FormatTable() {
  const std::vector<SampleFormat> with_float = {kInt16, kInt24, kFloat32};
  const std::vector<SampleFormat> integers = {kInt16, kInt24};
  // ISO/IEC 11172-3 and 13818-3, and MPEG 2.5.
  const std::vector<int> mp3_rates = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000};
  // ISO/IEC 14496-3, samplingFrequencyIndex.
  const std::vector<int> aac_rates = {7350,  8000,  11025, 12000, 16000, 22050, 24000,
                                      32000, 44100, 48000, 64000, 88200, 96000};
  const FormatRow::BitRates aac_bits = {128000, 32000, 512000};
  static const std::vector<FormatRow> table = {
      {.name = "wav",
       .ending = ".wav",
       .summary = "uncompressed, RF64 above 4 GiB",
       .sample_formats = with_float,
       .open = OpenWav},
      {.name = "rf64",
       .ending = ".rf64",
       .summary = "wav with 64-bit lengths",
       .sample_formats = with_float,
       .open = OpenRf64},
      {.name = "w64",
       .ending = ".w64",
       .summary = "Sony Wave64",
       .sample_formats = with_float,
       .open = OpenW64},
      {.name = "flac",
       .ending = ".flac",
       .summary = "lossless",
       .sample_formats = integers,
       .highest_channels = 8,
       .highest_rate_hz = 655350,
       .cover = true,
       .open = OpenFlac},
      {.name = "alac",
       .ending = ".m4a",
       .summary = "Apple Lossless",
       .sample_formats = integers,
       .highest_channels = 8,
       .highest_rate_hz = 384000,
       .cover = true,
       .open = OpenAlac},
      {.name = "mp3",
       .ending = ".mp3",
       .summary = "lossy",
       // Below 64 kbit/s a frame has no room for what tells delay and length.
       .bit_rates = {160000, 64000, 320000},
       .highest_channels = 2,
       .rates_hz = mp3_rates,
       .cover = true,
       .open = OpenMp3},
      {.name = "ogg",
       .ending = ".ogg",
       .summary = "Vorbis, lossy",
       .bit_rates = {128000, 64000, 500000},
       .highest_channels = 8,
       .highest_rate_hz = 192000,
       .open = OpenOgg},
      {.name = "opus",
       .ending = ".opus",
       .summary = "lossy",
       .bit_rates = {96000, 12000, 510000},
       .highest_channels = 8,
       .rates_hz = {48000},  // what its decoders give, whatever was encoded
       .open = OpenOpus},
      {.name = "m4a",
       .ending = ".m4a",
       .summary = "AAC, lossy",
       .bit_rates = aac_bits,
       .highest_channels = 8,
       .rates_hz = aac_rates,
       .cover = true,
       .open = OpenM4a},
      {.name = "stem.mp4",
       .ending = ".stem.mp4",
       .summary = "one file of mixture and stems, AAC, or ALAC where bits are given",
       .sample_formats = integers,
       .bit_rates = aac_bits,
       .highest_channels = 8,
       .rates_hz = aac_rates,
       .many_streams = true,
       .cover = true,
       .open = OpenStemMp4},
  };
  return table;
}

std::string FormatNames(const std::function<bool(const FormatRow&)>& wanted) {
  std::vector<std::string> names;
  for (const FormatRow& row : FormatTable())
    if (wanted(row)) names.emplace_back(row.name);
  return JoinNames(names);
}

const FormatRow& FindFormat(std::string_view name) {
  return FindRow(FormatTable(), name, "audio format", "");
}

const char* SampleFormatName(SampleFormat format) {
  switch (format) {
    case kInt16:
      return "16";
    case kInt24:
      return "24";
    case kFloat32:
      return "32f";
  }
  return "";
}

bool FormatRow::Holds(SampleFormat format) const {
  return std::find(sample_formats.begin(), sample_formats.end(), format) != sample_formats.end();
}

int FormatRow::RateFor(int sample_rate_hz) const {
  if (rates_hz.empty()) return std::min(sample_rate_hz, highest_rate_hz);
  const auto next = std::lower_bound(rates_hz.begin(), rates_hz.end(), sample_rate_hz);
  return next == rates_hz.end() ? rates_hz.back() : *next;
}

void CheckEncodeOptions(const EncodeOptions& options) {
  const FormatRow& row = FindFormat(options.format);
  const std::string name = row.name;
  if (options.sample_format && !row.Holds(*options.sample_format)) {
    const SampleFormat wanted = *options.sample_format;
    const std::string kind = wanted == kFloat32 ? " (float)" : " bits";
    throw Error::Usage(row.sample_formats.empty()
                           ? name + " is lossy and has no bits per sample"
                           : name + " holds no samples of " + SampleFormatName(wanted) + kind,
                       Option("bits"),
                       "formats that hold them are " + FormatNames([&](const FormatRow& able) {
                         return able.Holds(wanted);
                       }));
  }
  if (options.bit_rate != 0 && (!row.lossy() || options.sample_format)) {
    throw Error::Usage(row.lossy() ? name + " with bits per sample is lossless and has no bit rate"
                                   : name + " is lossless and has no bit rate",
                       Option("bitrate"),
                       "formats that have one are " + FormatNames(std::mem_fn(&FormatRow::lossy)));
  }
  const FormatRow::BitRates& range = row.bit_rates;
  const bool in_range = options.bit_rate >= range.lowest && options.bit_rate <= range.highest;
  if (options.bit_rate != 0 && !in_range) {
    throw Error::Usage(name + " has no bit rate of " + Kbps(options.bit_rate) + " kbit/s",
                       Option("bitrate"), "choose one from " + Kbps(range.lowest) + " to " + Kbps(range.highest));
  }
  if (!options.streams.empty() && !row.many_streams) {
    throw Error::Usage(
        name + " holds one stream", "",
        "formats of several are " + FormatNames(std::mem_fn(&FormatRow::many_streams)));
  }
}

}  // namespace stemsmith
