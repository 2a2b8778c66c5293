#include "core/decode.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <fstream>

#include "core/decode_backend.h"
#include "core/error.h"
#include "core/module.h"
#include "core/text.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr int kLowestRateHz = 1000;
constexpr int kHighestRateHz = 1'000'000;

// Keeps the promises of OpenAudio whatever the backend does: finite samples, and the length that
// was said.
class CheckedReader : public AudioReader {
 public:
  CheckedReader(std::unique_ptr<AudioReader> inner, fs::path path)
      : inner_(std::move(inner)), path_(std::move(path)) {}

  const AudioInfo& info() const override { return inner_->info(); }

  std::size_t Read(float* out, std::size_t frames) override {
    if (frames == 0) return 0;
    const AudioInfo& about = info();
    if (about.frames >= 0) {
      frames = static_cast<std::size_t>(
          std::min<std::int64_t>(static_cast<std::int64_t>(frames), about.frames - position_));
      if (frames == 0) return 0;
    }
    const std::size_t count = inner_->Read(out, frames);
    if (count == 0) {
      if (position_ == 0 && about.frames <= 0) throw Error::Input("holds no audio", path_.string());
      if (position_ < about.frames) {
        throw Error::Input(
            "truncated: audio ends at " + SecondsText(position_, about.sample_rate_hz) +
                ", the header promises " + SecondsText(about.frames, about.sample_rate_hz),
            path_.string(), "copy or download the file anew");
      }
      return 0;
    }
    CheckFinite(out, count);
    position_ += static_cast<std::int64_t>(count);
    return count;
  }

  void Rewind() override {
    inner_->Rewind();
    position_ = 0;
  }
  std::vector<Damage> damage() const override { return inner_->damage(); }

 private:
  void CheckFinite(const float* samples, std::size_t frames) const {
    const std::size_t count = frames * static_cast<std::size_t>(info().channels);
    // A full exponent carries into the sign bit. No branch: this vectorises.
    std::uint32_t carries = 0;
    for (std::size_t i = 0; i < count; ++i)
      carries |= (std::bit_cast<std::uint32_t>(samples[i]) & 0x7fffffffU) + 0x00800000U;
    if ((carries & 0x80000000U) == 0) return;
    const float* bad =
        std::find_if(samples, samples + count, [](float x) { return !std::isfinite(x); });
    const std::int64_t frame = position_ + (bad - samples) / info().channels;
    throw Error::Input(
        std::string(std::isnan(*bad) ? "a sample that is not a number" : "an infinite sample") +
            " at " + SecondsText(frame, info().sample_rate_hz),
        path_.string(), "render or export the file anew");
  }

  std::unique_ptr<AudioReader> inner_;
  fs::path path_;
  std::int64_t position_ = 0;
};

void CheckIsReadable(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw Error::Input("no such file", path.string());
  if (fs::is_directory(status)) throw Error::Input("a folder, not an audio file", path.string());
  errno = 0;
  if (!std::ifstream(path)) throw Error::System("cannot be opened", path.string());
  if (fs::is_regular_file(status) && fs::file_size(path, error) == 0) {
    throw Error::Input("the file is empty", path.string(), "copy or download the file anew");
  }
}

// libsndfile shortens a wav or aiff file that was cut off in silence; here it is an error before
// work starts.
void CheckNotCutOff(const AudioInfo& info, const fs::path& path) {
  const DataChunk data = FindDataChunk(path);
  if (data.promised_bytes <= data.present_bytes || info.frames < 0) return;
  // Less than a frame may be missing: present_bytes / frames is the size of one.
  const auto missing_bytes = static_cast<double>(data.promised_bytes - data.present_bytes);
  const auto frames = static_cast<double>(info.frames);
  if (frames > 0 && missing_bytes * frames < static_cast<double>(data.present_bytes)) return;
  throw Error::Input("truncated: audio can be read up to " +
                         SecondsText(info.frames, info.sample_rate_hz) + ", " +
                         std::to_string(data.promised_bytes - data.present_bytes) + " of " +
                         std::to_string(data.promised_bytes) + " bytes are missing",
                     path.string(), "copy or download the file anew");
}

void CheckInfo(const AudioInfo& info, const fs::path& path) {
  if (info.channels < 1) throw Error::Input("has no channels", path.string());
  if (info.sample_rate_hz < kLowestRateHz || info.sample_rate_hz > kHighestRateHz) {
    throw Error::Input("a sample rate of " + std::to_string(info.sample_rate_hz) + " Hz",
                       path.string(), "1 kHz to 1 MHz can be read");
  }
  if (info.frames == 0) throw Error::Input("holds no audio", path.string());
}

// For what libsndfile could not read; where it knew the format, its word for what is wrong counts.
std::unique_ptr<AudioReader> OpenLibav(const fs::path& path, const DecodeOptions& options,
                                       const SndfileResult& sndfile) {
  OpenLibavFunction* open = nullptr;
  try {
    open = reinterpret_cast<OpenLibavFunction*>(
        LoadModuleSymbol("libav", "stemsmith_open_libav", "reading " + path.filename().string()));
    return std::unique_ptr<AudioReader>(open(path, options));
  } catch (const Error&) {
    if (!sndfile.recognised) throw;
    std::string problem = sndfile.problem;
    while (!problem.empty() && (problem.back() == '.' || problem.back() == '\n'))
      problem.pop_back();
    if (open == nullptr)
      throw Error::Input(
          "damaged, or for the module libav, which this installation lacks: " + problem,
          path.string(), "copy or download the file anew, or build the module");
    throw Error::Input("damaged: " + problem, path.string(), "copy or download the file anew");
  }
}

}  // namespace

std::unique_ptr<AudioReader> OpenAudio(const fs::path& path, const DecodeOptions& options) {
  CheckIsReadable(path);
  SndfileResult sndfile = OpenSndfile(path);
  std::unique_ptr<AudioReader> reader = std::move(sndfile.reader);
  if (reader != nullptr) {
    std::vector<int> streams = options.streams;
    if (streams.empty() && !options.all_streams)
      streams = {ChosenStream(reader->info().streams, options, path)};
    for (const int stream : streams) {
      if (stream == 0 || stream == kDefaultStream) continue;
      throw Error::Input("holds one audio stream, there is no stream " + std::to_string(stream),
                         path.string(), "streams are counted from 0");
    }
    CheckNotCutOff(reader->info(), path);
  } else {
    if (LooksLikeText(path)) {
      throw Error::Input("a text file, not audio", path.string(), "give an audio file");
    }
    reader = OpenLibav(path, options, sndfile);
  }
  CheckInfo(reader->info(), path);
  return std::make_unique<CheckedReader>(std::move(reader), path);
}

AudioBuffer ReadAll(AudioReader& reader) {
  constexpr std::size_t kBlock = 65536;
  const int channels = reader.info().channels;
  std::vector<float> interleaved;
  if (reader.info().expected_frames > 0) {
    // An estimate may be wrong by any factor: trust it only so far.
    interleaved.reserve(static_cast<std::size_t>(std::min<std::int64_t>(
                            reader.info().expected_frames, std::int64_t{1} << 24)) *
                        static_cast<std::size_t>(channels));
  }
  std::vector<float> block(kBlock * static_cast<std::size_t>(channels));
  while (const std::size_t count = reader.Read(block.data(), kBlock)) {
    interleaved.insert(interleaved.end(), block.begin(),
                       block.begin() + static_cast<std::ptrdiff_t>(count * channels));
  }
  AudioBuffer audio(channels, interleaved.size() / static_cast<std::size_t>(channels));
  Deinterleave(interleaved.data(), channels, audio.frames(), audio.samples().data());
  return audio;
}

}  // namespace stemsmith
