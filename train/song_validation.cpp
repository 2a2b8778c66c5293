#include "train/song_validation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "core/json_fields.h"
#include "core/random.h"
#include "evaluate/metrics.h"
#include "separate/stem_stream.h"
#include "train/mix_reader.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlockFrames = 16384;

double SystemSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::uint64_t NameBits(const std::string& name) {
  std::uint64_t bits = name.size();
  for (const char c : name) bits = MixBits(bits ^ static_cast<unsigned char>(c));
  return bits;
}

double MeanOfNumbers(const std::vector<double>& values) {
  double sum = 0;
  int count = 0;
  for (const double value : values)
    if (!std::isnan(value)) sum += value, ++count;
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

struct SongValidation::Sums {
  std::vector<Distortion> estimate, mixture;  // [S]
};

nlohmann::json SongFigures::ToJson(const std::vector<std::string>& stems) const {
  nlohmann::json json = {{"mean_sdr_db", FiniteOrNull(mean_sdr_db)},
                         {"mean_nsdr_db", FiniteOrNull(mean_nsdr_db)},
                         {"songs", songs},
                         {"left_out", left_out},
                         {"seconds", seconds}};
  for (std::size_t s = 0; s < stems.size(); ++s) {
    json["sdr_db"][stems[s]] = FiniteOrNull(sdr_db[s]);
    json["nsdr_db"][stems[s]] = FiniteOrNull(nsdr_db[s]);
  }
  return json;
}

SongValidation::SongValidation(const CacheReader& cache, SongValidationOptions options)
    : cache_(cache), options_(std::move(options)), tracks_(cache.TracksOf(options_.split)) {
  if (!options_.clock) options_.clock = SystemSeconds;
  std::stable_sort(tracks_.begin(), tracks_.end(), [&](std::size_t a, std::size_t b) {
    return NameBits(cache.tracks()[a].name) < NameBits(cache.tracks()[b].name);
  });
}

bool SongValidation::Judge(std::size_t track, Runtime& runtime, double deadline, Sums& sums) const {
  const std::int64_t total = cache_.tracks()[track].frames;
  const std::size_t stems = cache_.stems().size();
  const int channels = cache_.channels();
  sums.estimate.assign(stems, {});
  sums.mixture.assign(stems, {});

  StemStreamOptions options;
  options.stems = cache_.stems();
  options.refuse_not_finite = false;  // such a model is the worst, and training goes on
  options.input_name = cache_.tracks()[track].name;
  StemStream stream(runtime, std::make_unique<MixReader>(cache_, track, 0, total), options);
  std::vector<std::vector<float>> blocks;  // of each stem
  std::vector<float> references;           // [S, C, n]
  for (std::int64_t judged = 0; judged < total;) {
    if (options_.clock() > deadline) return false;
    const std::size_t frames = stream.Read(kBlockFrames, blocks);
    if (frames == 0) break;
    const std::size_t size = static_cast<std::size_t>(channels) * frames;
    references.resize(stems * size);
    cache_.ReadStems(track, judged, static_cast<std::int64_t>(frames), references.data());
    const AudioBuffer mix = SumStems(references, channels, frames);
    AudioBuffer estimate(channels, frames);
    for (std::size_t s = 0; s < stems; ++s) {
      const std::span<const float> reference = std::span(references).subspan(s * size, size);
      Deinterleave(blocks[s].data(), channels, frames, estimate.samples().data());
      sums.estimate[s].Add(reference, estimate.samples());
      sums.mixture[s].Add(reference, mix.samples());
    }
    judged += static_cast<std::int64_t>(frames);
  }
  return true;
}

SongFigures SongValidation::Run(Runtime& runtime) const {
  const double begin = options_.clock();
  const double deadline = options_.max_seconds > 0 ? begin + options_.max_seconds
                                                   : std::numeric_limits<double>::infinity();
  SongFigures figures;
  std::vector<Sums> all;
  for (const std::size_t track : tracks_) {
    Sums sums;
    // Once the time is over, no later song is begun either, however short.
    const bool whole = figures.left_out.empty() && Judge(track, runtime, deadline, sums);
    (whole ? figures.songs : figures.left_out).push_back(cache_.tracks()[track].name);
    if (whole) all.push_back(std::move(sums));
  }
  figures.seconds = options_.clock() - begin;

  for (std::size_t s = 0; s < cache_.stems().size(); ++s) {
    std::vector<double> sdr, nsdr;
    for (const Sums& song : all) {
      sdr.push_back(song.estimate[s].Db());
      nsdr.push_back(song.estimate[s].Db() - song.mixture[s].Db());
    }
    figures.sdr_db.push_back(Median(std::move(sdr)));
    figures.nsdr_db.push_back(Median(std::move(nsdr)));
  }
  figures.mean_sdr_db = MeanOfNumbers(figures.sdr_db);
  figures.mean_nsdr_db = MeanOfNumbers(figures.nsdr_db);
  return figures;
}

}  // namespace stemsmith
