#include "datasets/prepare_track.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "core/decode.h"
#include "core/error.h"
#include "core/files.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlockFrames = 16'384;
// Raised when the same sources would give other samples than before.
constexpr int kMixVersion = 1;

struct OpenSource {
  std::unique_ptr<AudioReader> reader;  // at the cache's rate and channel count
  std::int64_t frames = 0;              // read so far
  bool ended = false;
  std::vector<float> block;  // [T, C]
};

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", seconds);
  return text;
}

class SongMixer {
 public:
  SongMixer(const Track& track, const TrackMix& mix, const PrepareTrackOptions& options)
      : track_(track), mix_(mix), options_(options) {
    columns_ = static_cast<int>(mix.size()) * options.channels;
    for (const SourceStem& stem : track.sources) {
      auto reader = OpenAudio(stem.path, {stem.stream, false});
      bits_ = std::max(bits_, reader->info().bits);
      if (reader->info().frames == 0) throw NoAudio(stem);
      const AudioInfo& info = reader->info();
      native_seconds_.push_back(info.frames < 0 ? -1.0 : double(info.frames) / info.sample_rate_hz);
      if (info.expected_frames > 0) {
        expected_seconds_ =
            std::max(expected_seconds_, double(info.expected_frames) / info.sample_rate_hz);
      }
      OpenSource source;
      source.reader = ConvertAudio(std::move(reader), options.sample_rate_hz, options.channels);
      source.block.resize(kBlockFrames * options.channels);
      sources_.push_back(std::move(source));
    }
    CheckLengths(native_seconds_);  // before any work, where the headers tell
    sum_.resize(kBlockFrames * columns_);
  }

  int columns() const { return columns_; }
  int bits() const { return bits_; }
  std::int64_t expected_frames() const {
    return static_cast<std::int64_t>(expected_seconds_ * options_.sample_rate_hz);
  }

  // The next block of all stems, [T, S · C]; 0 frames at the end. Sources that ended give silence.
  std::size_t Next(const float** stems) {
    std::size_t longest = 0;
    for (OpenSource& source : sources_) longest = std::max(longest, Fill(source));
    if (longest == 0) {
      std::vector<double> seconds;
      for (std::size_t s = 0; s < sources_.size(); ++s) {
        if (sources_[s].frames == 0) throw NoAudio(track_.sources[s]);
        seconds.push_back(double(sources_[s].frames) / options_.sample_rate_hz);
      }
      CheckLengths(seconds);
      return 0;
    }
    std::fill_n(sum_.begin(), longest * columns_, 0.0f);
    const int channels = options_.channels;
    for (std::size_t target = 0; target < mix_.size(); ++target) {
      for (const MixPart& part : mix_[target]) {
        const float gain =
            part.gain_db == 0 ? 1.0f : static_cast<float>(std::pow(10.0, part.gain_db / 20));
        const float* in = sources_[part.source].block.data();
        float* out = sum_.data() + target * channels;
        for (std::size_t t = 0; t < longest; ++t) {
          for (int c = 0; c < channels; ++c) out[t * columns_ + c] += gain * in[t * channels + c];
        }
      }
    }
    *stems = sum_.data();
    return longest;
  }

 private:
  std::size_t Fill(OpenSource& source) {
    const int channels = options_.channels;
    std::size_t filled = 0;
    while (!source.ended && filled < kBlockFrames) {
      const std::size_t got =
          source.reader->Read(source.block.data() + filled * channels, kBlockFrames - filled);
      source.ended = got == 0;
      filled += got;
    }
    std::fill(source.block.begin() + static_cast<std::ptrdiff_t>(filled * channels),
              source.block.end(), 0.0f);
    source.frames += static_cast<std::int64_t>(filled);
    return filled;
  }

  Error NoAudio(const SourceStem& stem) const {
    return Error::Input("the stem \"" + stem.name + "\" holds no audio", stem.path.string(),
                        "remove the song or replace the file");
  }

  // Lengths in seconds, negative where unknown.
  void CheckLengths(const std::vector<double>& seconds) const {
    std::size_t shortest = seconds.size(), longest = seconds.size();
    for (std::size_t s = 0; s < seconds.size(); ++s) {
      if (seconds[s] < 0) continue;
      if (shortest == seconds.size() || seconds[s] < seconds[shortest]) shortest = s;
      if (longest == seconds.size() || seconds[s] > seconds[longest]) longest = s;
    }
    if (longest == seconds.size() ||
        seconds[longest] - seconds[shortest] <= kLengthToleranceSeconds) {
      return;
    }
    throw Error::Input("the stems differ in length: " + track_.sources[shortest].name + " has " +
                           Seconds(seconds[shortest]) + ", " + track_.sources[longest].name +
                           " has " + Seconds(seconds[longest]),
                       "song \"" + track_.name + "\"", "cut or pad the stems to one length");
  }

  const Track& track_;
  const TrackMix& mix_;
  const PrepareTrackOptions& options_;
  std::vector<OpenSource> sources_;
  std::vector<double> native_seconds_;
  double expected_seconds_ = 0;
  int columns_ = 0;
  int bits_ = 0;
  std::vector<float> sum_;
};

// Failures of the cache's own files are told apart from those of the sources.
template <typename Work>
auto Writing(Work work) {
  try {
    return work();
  } catch (const Error& error) {
    throw CacheWriteFailed{error};
  }
}

}  // namespace

std::string TrackRecipeHash(const Track& track, const TrackMix& mix,
                            const PrepareTrackOptions& options) {
  nlohmann::json targets = nlohmann::json::array();
  for (std::size_t t = 0; t < mix.size(); ++t) {
    nlohmann::json parts = nlohmann::json::array();
    for (const MixPart& part : mix[t]) {
      const SourceStem& source = track.sources[part.source];
      parts.push_back({source.name, source.stream, part.gain_db});
    }
    targets.push_back({options.stems[t], parts});
  }
  const nlohmann::json all = {kMixVersion, targets, options.sample_rate_hz, options.channels,
                              static_cast<int>(options.format)};
  return HexHash(HashBytes(all.dump()));
}

TrackRecord PrepareTrack(const Track& track, const TrackMix& mix,
                         const PrepareTrackOptions& options, const std::filesystem::path& file,
                         const std::function<bool(double)>& progress) {
  // Fingerprints are taken first: a source that changes meanwhile is then found out by the next
  // run.
  std::vector<SourceFile> sources;
  for (const SourceStem& stem : track.sources) {
    sources.push_back(FingerprintSource(options.root, stem.path));
  }
  auto mixer = std::make_unique<SongMixer>(track, mix, options);
  TrackFormat format;
  format.stems = options.stems;
  format.sample_rate_hz = options.sample_rate_hz;
  format.channels = options.channels;
  const bool fits = options.format == CacheFormat::kInt16 ||
                    (options.format == CacheFormat::kAuto && mixer->bits() <= 16);
  format.sample_type = fits ? CacheSampleType::kInt16 : CacheSampleType::kFloat32;

  // int16 is written at once with the step of 16-bit files. Only where a sum of sources turns out
  // to exceed full scale, the rest of the song is just measured, and a second pass writes with a
  // larger step.
  double total = 0, share = 0;
  const auto tell = [&](std::size_t frames) {
    const double expected =
        static_cast<double>(std::max<std::int64_t>(mixer->expected_frames(), 1));
    total += static_cast<double>(frames) / expected;
    const double now = std::min(total, 1.0);
    if (progress(now - share)) throw PrepareStopped{};
    share = now;
  };
  for (;;) {
    auto writer = Writing([&] { return std::make_unique<TrackWriter>(file, format); });
    float peak = 0;
    const float* stems = nullptr;
    while (const std::size_t frames = mixer->Next(&stems)) {
      if (writer) {
        Writing([&] { writer->Write(stems, frames); });
        peak = writer->peak();
        if (writer->clipped()) writer.reset();
      } else {
        for (std::size_t i = 0; i < frames * mixer->columns(); ++i) {
          peak = std::max(peak, std::abs(stems[i]));
        }
      }
      tell(frames);
    }
    if (writer) {
      return Writing([&] { return writer->Finish(TrackRecipeHash(track, mix, options), sources); });
    }
    format.scale = peak / 32767.0;
    mixer = std::make_unique<SongMixer>(track, mix, options);
  }
}

std::optional<TrackRecord> FreshTrack(const Track& track, const TrackMix& mix,
                                      const PrepareTrackOptions& options,
                                      const std::filesystem::path& file,
                                      const TrackRecord* indexed) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return std::nullopt;
  TrackRecord record;
  try {
    record = ReadTrackRecord(file);
  } catch (const Error&) {
    return std::nullopt;  // cut off, or written by another version: made anew
  }
  if (record.recipe_hash != TrackRecipeHash(track, mix, options) ||
      record.sources.size() != track.sources.size()) {
    return std::nullopt;
  }
  // The index knows newer times than the track file when sources were touched without being
  // changed.
  const bool use_index = indexed != nullptr && indexed->checksum == record.checksum &&
                         indexed->sources.size() == record.sources.size();
  for (std::size_t s = 0; s < record.sources.size(); ++s) {
    SourceFile& source = record.sources[s];
    if (use_index && indexed->sources[s].hash == source.hash) source = indexed->sources[s];
    std::error_code error;
    const auto now = std::filesystem::weakly_canonical(track.sources[s].path, error);
    if (error || std::filesystem::weakly_canonical(options.root / source.path, error) != now) {
      return std::nullopt;
    }
    std::int64_t mtime_ns = source.mtime_ns;
    const SourceState state = CompareSource(options.root, source, &mtime_ns);
    if (state != SourceState::kSame && state != SourceState::kTouched) return std::nullopt;
    source.mtime_ns = mtime_ns;
  }
  return record;
}

}  // namespace stemsmith
