#include "datasets/prepare/track.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/error.h"
#include "core/files.h"
#include "core/option.h"
#include "datasets/cache/track.h"
#include "datasets/prepare/song_stream.h"
#include "datasets/recipes/song_mixer.h"

namespace stemsmith {
namespace {

// Raised when the same sources would give other samples than before.
constexpr int kMixVersion = 1;

// Failures of the cache's own files are told apart from those of the sources.
template <typename Work>
auto Writing(Work work) {
  try {
    return work();
  } catch (const Error& error) {
    throw CacheWriteFailed{error};
  }
}

std::int64_t ExcerptFrames(const PrepareTrackOptions& options) {
  return std::max<std::int64_t>(std::llround(options.trim.excerpt_seconds * options.sample_rate_hz),
                                1);
}

// Goes through the song once for its length, which headers need not tell.
void KeepMiddle(SongStream& song, std::int64_t frames) {
  std::int64_t all = 0;
  const float* ignored = nullptr;
  while (const std::size_t count = song.Next(&ignored)) all += static_cast<std::int64_t>(count);
  const std::int64_t begin = std::max<std::int64_t>((all - frames) / 2, 0);
  song.KeepOnly(begin, begin + frames);
}

}  // namespace

CacheSampleType SampleTypeFor(const PrepareTrackOptions& options, int bits_of_sources) {
  switch (options.format) {
    case CacheFormat::kInt16:
      return CacheSampleType::kInt16;
    case CacheFormat::kFloat16:
      return CacheSampleType::kFloat16;
    case CacheFormat::kFloat32:
      return CacheSampleType::kFloat32;
    case CacheFormat::kAuto:
      break;
  }
  return bits_of_sources <= 16 && !options.spectrogram ? CacheSampleType::kInt16
                                                       : CacheSampleType::kFloat32;
}

std::string TrackRecipeHash(const Track& track, const TrackMix& mix,
                            const PrepareTrackOptions& options) {
  nlohmann::json targets = nlohmann::json::array();
  for (std::size_t t = 0; t < mix.size(); ++t) {
    nlohmann::json parts = nlohmann::json::array();
    for (const MixPart& part : mix[t]) {
      const SourceStem& source = track.sources[part.source];
      parts.push_back({source.name, std::max(source.stream, 0), part.gain_db, part.inverted});
      if (!source.language.empty()) parts.back().push_back(source.language);
    }
    targets.push_back({options.stems[t], parts});
  }
  nlohmann::json all = {kMixVersion,
                        targets,
                        options.sample_rate_hz,
                        options.channels,
                        static_cast<int>(options.format),
                        static_cast<int>(options.source_channels.Of(track.split)),
                        track.unrelated_takes};
  // Only what was asked for, so that caches made before there was such a thing stay fresh.
  const TrimOptions& trim = options.trim;
  if (trim.silence_db) all.push_back({"trim silence", *trim.silence_db, trim.min_silence_seconds});
  if (trim.excerpt_seconds > 0) all.push_back({"excerpt", trim.excerpt_seconds});
  if (options.compression > 0) all.push_back({"compression", options.compression});
  if (options.spectrogram) all.push_back({"spectrogram", ToJson(*options.spectrogram)});
  return HexHash(HashBytes(all.dump()));
}

PreparedTrack PrepareTrack(const Track& track, const TrackMix& mix,
                           const PrepareTrackOptions& options, const std::filesystem::path& file,
                           const std::function<bool(double)>& progress) {
  // Fingerprints are taken first: a source that changes meanwhile is then found out by the next
  // run.
  std::vector<SourceFile> sources(track.sources.size());
  for (const SourceGroup& group : GroupByFile(track)) {
    const SourceFile file = FingerprintSource(options.root, group.path);
    for (const std::size_t s : group.sources) sources[s] = file;
  }
  double total = 0, share = 0;
  // With excerpts the song is gone through twice: once for its length.
  const double passes = options.trim.excerpt_seconds > 0 ? 2 : 1;
  std::int64_t expected_frames = 1;
  const auto tell = [&](std::size_t frames) {
    total += static_cast<double>(frames) / (passes * static_cast<double>(expected_frames));
    const double now = std::min(total, 1.0);
    if (progress(now - share)) throw PrepareStopped{};
    share = now;
  };
  SongStream song(track, mix, options, tell);
  expected_frames = std::max<std::int64_t>(song.expected_frames(), 1);
  if (options.trim.excerpt_seconds > 0) KeepMiddle(song, ExcerptFrames(options));
  TrackFormat format;
  format.stems = options.stems;
  format.sample_rate_hz = options.sample_rate_hz;
  format.channels = options.channels;
  format.sample_type = SampleTypeFor(options, song.bits());
  format.compression = options.compression;
  format.measure_loudness = true;
  format.spectrogram = options.spectrogram;

  // int16 is written at once with the step of 16-bit files, float16 as it is. Only where a sum of
  // sources turns out to exceed that, the rest of the song is just measured, and a second pass
  // writes with a larger step.
  for (;;) {
    auto writer = Writing([&] { return std::make_unique<TrackWriter>(file, format); });
    float peak = 0;
    bool empty = true;
    const float* stems = nullptr;
    while (const std::size_t frames = song.Next(&stems)) {
      empty = false;
      if (writer) {
        Writing([&] { writer->Write(stems, frames); });
        peak = writer->peak();
        if (writer->clipped()) writer.reset();
      } else {
        for (std::size_t i = 0; i < frames * song.columns(); ++i) {
          peak = std::max(peak, std::abs(stems[i]));
        }
      }
    }
    if (empty) {
      throw Error::Input("silent throughout: nothing is left of it", "song \"" + track.name + "\"",
                         "remove the song, or give " + Option("trim-silence") + " a lower level");
    }
    if (writer) {
      return {
          Writing([&] { return writer->Finish(TrackRecipeHash(track, mix, options), sources); }),
          song.Notes()};
    }
    format.scale = peak / CacheLargestSample(format.sample_type);
    song.Rewind();
  }
}

bool IsShorterThanExcerpt(std::int64_t frames, const PrepareTrackOptions& options) {
  return options.trim.excerpt_seconds > 0 && frames < ExcerptFrames(options);
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
    return std::nullopt;  // cut off, or written by another version: made again
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
