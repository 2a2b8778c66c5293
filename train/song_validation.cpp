#include "train/song_validation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "core/json_fields.h"
#include "core/random.h"
#include "evaluate/metrics.h"
#include "separate/song_overlap_add.h"

namespace stemsmith {
namespace {

constexpr std::int64_t kBlockFrames = 16384;

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

// A segment [C, T] through the model → [S · C, T].
void SeparateSegment(SeparationModel& model, const torch::Device& device, const AudioBuffer& in,
                     AudioBuffer& out) {
  // LibTorch has no read-only tensors; nothing writes to this one.
  auto* samples = const_cast<float*>(in.samples().data());
  const auto frames = static_cast<std::int64_t>(in.frames());
  const torch::Tensor mix = torch::from_blob(samples, {1, in.channels(), frames}).to(device);
  torch::from_blob(out.samples().data(), {out.channels(), frames})
      .copy_(model.forward(mix).flatten(0, 2));
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

bool SongValidation::Judge(std::size_t track, SeparationModel& model, const Manifest& manifest,
                           const torch::Device& device, double deadline, Sums& sums) const {
  const std::int64_t total = cache_.tracks()[track].frames;
  const std::size_t stems = cache_.stems().size();
  const auto channels = static_cast<std::size_t>(cache_.channels());
  sums.estimate.assign(stems, {});
  sums.mixture.assign(stems, {});

  // Stems from `start` on, planar [S, C, frames], and their sum [C, frames].
  std::vector<float> references;
  const auto read = [&](std::int64_t start, std::size_t frames) {
    references.resize(stems * channels * frames);
    cache_.ReadStems(track, start, static_cast<std::int64_t>(frames), references.data());
    AudioBuffer mix(static_cast<int>(channels), frames);
    for (std::size_t i = 0; i < references.size(); ++i)
      mix.samples()[i % (channels * frames)] += references[i];
    return mix;
  };
  std::int64_t judged = 0;
  const auto judge = [&](const AudioBuffer& estimates) {
    const AudioBuffer mix = read(judged, estimates.frames());
    judged += static_cast<std::int64_t>(estimates.frames());
    const std::size_t size = channels * estimates.frames();
    for (std::size_t s = 0; s < stems; ++s) {
      const std::span<const float> reference = std::span(references).subspan(s * size, size);
      sums.estimate[s].Add(reference, estimates.samples().subspan(s * size, size));
      sums.mixture[s].Add(reference, mix.samples());
    }
  };
  OverlapAdd overlap_add(
      SongOverlapAdd(manifest, total),
      [&](const AudioBuffer& in, std::size_t, AudioBuffer& out) {
        SeparateSegment(model, device, in, out);
      },
      judge);
  for (std::int64_t start = 0; start < total; start += kBlockFrames) {
    if (options_.clock() > deadline) return false;
    overlap_add.Push(read(start, static_cast<std::size_t>(std::min(kBlockFrames, total - start))));
  }
  overlap_add.Finish();
  return true;
}

SongFigures SongValidation::Run(SeparationModel& model, const Manifest& manifest,
                                const torch::Device& device) const {
  torch::NoGradGuard no_grad;
  const bool was_training = model.is_training();
  model.eval();
  const double begin = options_.clock();
  const double deadline = options_.max_seconds > 0 ? begin + options_.max_seconds
                                                   : std::numeric_limits<double>::infinity();
  SongFigures figures;
  std::vector<Sums> all;
  for (const std::size_t track : tracks_) {
    Sums sums;
    // Once the time is over, no later song is begun either, however short.
    const bool whole =
        figures.left_out.empty() && Judge(track, model, manifest, device, deadline, sums);
    (whole ? figures.songs : figures.left_out).push_back(cache_.tracks()[track].name);
    if (whole) all.push_back(std::move(sums));
  }
  if (was_training) model.train();
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
