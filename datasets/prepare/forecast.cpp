#include "datasets/prepare/forecast.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "core/error.h"
#include "core/for_each_song.h"
#include "core/option.h"
#include "core/text.h"
#include "datasets/cache/track_format.h"
#include "datasets/prepare/track.h"
#include "datasets/recipes/song_mixer.h"

namespace stemsmith {
namespace {

// Caches that are so many times their sources come as a surprise: of WAV files they are at most
// twice as large, of lossy ones ten to twenty times.
constexpr double kMuchLarger = 3;

struct SongForecast {
  double bytes = 0, source_bytes = 0;
  bool float32 = false;
  std::set<int> rates_hz;
};

SongForecast Look(const SongToPrepare& song, const PrepareTrackOptions& options) {
  SongForecast forecast;
  double seconds = 0;
  int bits = 0;
  for (const SourceGroup& group : GroupByFile(*song.track)) {
    AudioInfo info;
    try {
      info = OpenGroup(*song.track, group, OnDamage::kConceal)->info();
    } catch (const Error&) {
      return {};
    }
    std::error_code ignored;
    const auto size = std::filesystem::file_size(group.path, ignored);
    if (!ignored) forecast.source_bytes += static_cast<double>(size);
    bits = std::max(bits, info.bits);
    forecast.rates_hz.insert(info.sample_rate_hz);
    const std::int64_t frames = info.frames >= 0 ? info.frames : info.expected_frames;
    seconds = std::max(seconds, static_cast<double>(frames) / info.sample_rate_hz);
  }
  if (options.trim.excerpt_seconds > 0) {
    seconds = std::min(seconds, options.trim.excerpt_seconds);
  }
  TrackFormat format;
  format.stems = options.stems;
  format.channels = options.channels;
  format.spectrogram = options.spectrogram;
  const CacheSampleType type = SampleTypeFor(options, bits);
  const std::int64_t frames = std::llround(seconds * options.sample_rate_hz);
  const double rows =
      static_cast<double>(options.spectrogram ? options.spectrogram->rows(frames) : frames);
  forecast.bytes = rows * static_cast<double>(format.stored_columns()) *
                   static_cast<double>(CacheSampleBytes(type));
  forecast.float32 = type == CacheSampleType::kFloat32;
  return forecast;
}

std::string Songs(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " song" : " songs");
}

}  // namespace

std::vector<std::string> ForecastPreparation(const std::vector<SongToPrepare>& songs,
                                             const PrepareTrackOptions& options, int threads,
                                             const Host& host) {
  std::mutex mutex;
  double bytes = 0, source_bytes = 0, float32_bytes = 0;
  std::map<int, std::size_t> other_rates;  // Hz → songs
  std::size_t seen = 0, mixed = 0;         // mixed: of recordings of several rates
  const int stopped =
      ForEachSong(songs.size(), threads, host, [&](std::size_t i, const StopQuestion&) {
        const SongForecast song = Look(songs[i], options);
        const std::lock_guard guard(mutex);
        seen += !song.rates_hz.empty();
        mixed += song.rates_hz.size() > 1;
        bytes += song.bytes;
        source_bytes += song.source_bytes;
        if (song.float32) float32_bytes += song.bytes;
        for (const int rate_hz : song.rates_hz) {
          if (rate_hz != options.sample_rate_hz) ++other_rates[rate_hz];
        }
      });
  std::vector<std::string> lines;
  if (stopped != 0 || seen == 0) return lines;
  if (!other_rates.empty()) {
    std::string line = JoinNames(other_rates, ", ", [&](const auto& rate) {
      return (mixed > 0 ? "recordings of " : "") + Songs(rate.second) + " at " +
             std::to_string(rate.first) + " Hz";
    });
    line += ": resampled to " + std::to_string(options.sample_rate_hz) + " Hz";
    const auto& [rate_hz, count] = *other_rates.begin();
    if (other_rates.size() == 1 && count == seen && mixed == 0) {
      line += "; " + Option("sample-rate", std::to_string(rate_hz)) + " keeps their rate";
    }
    lines.push_back(std::move(line));
  }
  std::string line = Songs(seen) + ", " + FormatBytes(source_bytes) + ": about " +
                     FormatBytes(bytes) + " in the cache";
  if (options.compression > 0) line += " before compression";
  if (float32_bytes > bytes / 2 && bytes > kMuchLarger * source_bytes) {
    line += "; " + Option("format", "float16") + " takes half of that";
  }
  lines.push_back(std::move(line));
  return lines;
}

}  // namespace stemsmith
