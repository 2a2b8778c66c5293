// codec: a stem goes through mp3 or AAC and back, in place: delay and padding of the encoder are
// taken out. Stereo is encoded jointly, other channel counts channel by channel. (In memory; mp3 by
// libsndfile, AAC by libav in its module.)
#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "audio/aac_round_trip.h"
#include "audio/audio.h"
#include "audio/encode.h"
#include "audio/encode_mp3.h"
#include "augment/per_stem.h"
#include "core/error.h"

namespace stemsmith {
namespace {

struct CodecOptions {
  double per_stem_probability = 0.5;
  // Of these one is drawn for each stem. A list with one name uses no other.
  std::vector<std::string> formats{"mp3", "aac"};
  // Lower: duller, and more of what codecs smear. mp3 rounds it to a rate that it has.
  DrawRange bitrate_kbps{64.0, 192.0};
};

// A file in memory, for libsndfile's calls.
struct MemoryFile {
  std::vector<char> bytes;
  sf_count_t position = 0;

  static MemoryFile& Of(void* self) { return *static_cast<MemoryFile*>(self); }
  static SF_VIRTUAL_IO Calls() {
    SF_VIRTUAL_IO calls{};
    calls.get_filelen = [](void* self) { return static_cast<sf_count_t>(Of(self).bytes.size()); };
    calls.seek = [](sf_count_t offset, int whence, void* self) {
      MemoryFile& file = Of(self);
      if (whence == SEEK_CUR) offset += file.position;
      if (whence == SEEK_END) offset += static_cast<sf_count_t>(file.bytes.size());
      return file.position = std::max<sf_count_t>(0, offset);
    };
    calls.read = [](void* out, sf_count_t count, void* self) {
      MemoryFile& file = Of(self);
      const auto left = static_cast<sf_count_t>(file.bytes.size()) - file.position;
      count = std::clamp<sf_count_t>(left, 0, count);
      if (count > 0)
        std::memcpy(out, file.bytes.data() + file.position, static_cast<std::size_t>(count));
      file.position += count;
      return count;
    };
    calls.write = [](const void* in, sf_count_t count, void* self) {
      MemoryFile& file = Of(self);
      const auto end = static_cast<std::size_t>(file.position + count);
      if (file.bytes.size() < end) file.bytes.resize(end);
      std::memcpy(file.bytes.data() + file.position, in, static_cast<std::size_t>(count));
      file.position += count;
      return count;
    };
    calls.tell = [](void* self) { return Of(self).position; };
    return calls;
  }
};

struct CloseFile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using File = std::unique_ptr<SNDFILE, CloseFile>;

[[noreturn]] void Fail(const std::string& what) {
  throw Error::Input("libsndfile's mp3 " + what, "augmentation codec",
                     "is libsndfile 1.1 or newer built with LAME and mpg123? leave codec out else");
}

// `planar` [C, T], C ≤ 2, is replaced by what the decoder gives.
void ThroughMp3(float* planar, int channels, std::size_t length, int rate, double kbps) {
  if (length == 0) return;
  const auto frames = static_cast<sf_count_t>(length);
  std::vector<float> interleaved(length * static_cast<std::size_t>(channels));
  Interleave(planar, channels, length, interleaved.data());
  MemoryFile memory;
  SF_VIRTUAL_IO calls = MemoryFile::Calls();
  SF_INFO format{};
  format.samplerate = rate;
  format.channels = channels;
  format.format = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;
  {
    const File file(sf_open_virtual(&calls, SFM_WRITE, &format, &memory));
    if (file == nullptr) Fail("encoder does not start");
    int mode = SF_BITRATE_MODE_CONSTANT;
    sf_command(file.get(), SFC_SET_BITRATE_MODE, &mode, sizeof mode);
    double level = Mp3CompressionLevel(kbps, rate);
    sf_command(file.get(), SFC_SET_COMPRESSION_LEVEL, &level, sizeof level);
    if (sf_writef_float(file.get(), interleaved.data(), frames) != frames) Fail("encoder fails");
  }
  memory.position = 0;
  format = {};
  const File file(sf_open_virtual(&calls, SFM_READ, &format, &memory));
  if (file == nullptr || format.channels != channels || format.samplerate != rate)
    Fail("decoder does not read what the encoder wrote");
  const sf_count_t got =
      std::max<sf_count_t>(0, sf_readf_float(file.get(), interleaved.data(), frames));
  std::fill(interleaved.begin() + got * channels, interleaved.end(), 0.0f);
  Deinterleave(interleaved.data(), channels, length, planar);
}

// Before anything is drawn: a run fails at its first sample, not at some later one.
void CheckRate(const std::string& format, int rate) {
  const bool known = FindFormat(format == "aac" ? "m4a" : "mp3").RateFor(rate) == rate;
  if (known) return;
  throw Error::Usage(format + " has no sample rate of " + std::to_string(rate) + " Hz",
                     "augmentation codec",
                     "leave it out of formats, or prepare the cache at 44100 or 48000 Hz");
}

class Codec : public PerStemAugmentation {
 public:
  explicit Codec(const CodecOptions& options)
      : PerStemAugmentation(options.per_stem_probability), options_(options) {}

 protected:
  void ApplyTo(const StemBlock& stem, RandomStream& random) const override {
    for (const std::string& format : options_.formats) CheckRate(format, stem.sample_rate_hz);
    const double kbps = options_.bitrate_kbps.Draw(random);
    const std::string& format = options_.formats[random.Below(options_.formats.size())];
    const int together = stem.channels == 2 ? 2 : 1;
    for (int c = 0; c < stem.channels; c += together) {
      if (format == "aac")
        ThroughAac(stem.channel(0, c), together, static_cast<std::size_t>(stem.frames),
                   stem.sample_rate_hz, static_cast<int>(1000.0 * kbps));
      else
        ThroughMp3(stem.channel(0, c), together, static_cast<std::size_t>(stem.frames),
                   stem.sample_rate_hz, kbps);
    }
  }

 private:
  CodecOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeCodec(const Config& config) {
  CodecOptions options;
  options.per_stem_probability = PerStemProbability(config);
  options.bitrate_kbps = RangeIn(config, "bitrate_kbps", options.bitrate_kbps, {8.0, 320.0});
  options.formats = config.Strings("formats", options.formats);
  if (options.formats.empty())
    throw Error::Usage("formats of codec: none are given", config.Where("formats"),
                       "give mp3, aac or both");
  for (const std::string& format : options.formats) {
    if (format == "mp3") continue;
    if (format != "aac")
      throw Error::Usage("formats of codec: \"" + format + "\" is not known",
                         config.Where("formats"), "known are mp3 and aac");
    // Told when the configuration is read, not at the first sample.
    RequireAac("the augmentation codec (but for formats: [mp3])");
  }
  return std::make_unique<Codec>(options);
}

}  // namespace stemsmith
