#include "train/validation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "evaluate/metrics.h"

namespace stemsmith {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Energies {
  std::vector<double> reference, error, mixture_error;  // [S]
};

// As SignalToDistortionDb: a silent reference has no SDR, an exact estimate an infinite one.
double Decibel(double reference, double error) {
  if (reference <= 0.0) return kNaN;
  return error <= 0.0 ? std::numeric_limits<double>::infinity()
                      : 10.0 * std::log10(reference / error);
}

nlohmann::json Finite(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

// [b, S, C, T] → [b, S] on the CPU, summed in double.
torch::Tensor Energy(const torch::Tensor& audio) {
  return audio.square().sum({2, 3}, /*keepdim=*/false, torch::kFloat64).cpu();
}

}  // namespace

nlohmann::json ValidationFigures::ToJson(const std::vector<std::string>& stems) const {
  nlohmann::json json = {{"loss", Finite(loss)}, {"mean_sdr_db", Finite(mean_sdr_db)}};
  for (std::size_t s = 0; s < stems.size(); ++s) {
    json["sdr_db"][stems[s]] = Finite(sdr_db[s]);
    json["mixture_sdr_db"][stems[s]] = Finite(mixture_sdr_db[s]);
  }
  return json;
}

Validation::Validation(const CacheReader& cache, const ValidationOptions& options)
    : cache_(cache), options_(options) {
  std::vector<Segment> all;
  for (const std::size_t track : cache.TracksOf(options.split)) {
    for (std::int64_t start = 0; start < cache.tracks()[track].frames;
         start += options.segment_frames)
      all.push_back({track, start});
  }
  const std::int64_t total = static_cast<std::int64_t>(all.size());
  const std::int64_t wanted =
      options.max_segments > 0 ? std::min(options.max_segments, total) : total;
  for (std::int64_t i = 0; i < wanted; ++i)
    segments_.push_back(all[static_cast<std::size_t>(i * total / wanted)]);
}

ValidationFigures Validation::Run(SeparationModel& model, const WeightedLoss& loss,
                                  const torch::Device& device) const {
  torch::NoGradGuard no_grad;
  const bool was_training = model.is_training();
  model.eval();
  const std::int64_t stems = static_cast<std::int64_t>(cache_.stems().size());
  const std::int64_t channels = cache_.channels(), frames = options_.segment_frames;

  double loss_sum = 0.0;
  std::map<std::size_t, Energies> songs;
  for (std::size_t first = 0; first < segments_.size();
       first += static_cast<std::size_t>(options_.batch_size)) {
    const std::size_t count =
        std::min(segments_.size() - first, static_cast<std::size_t>(options_.batch_size));
    torch::Tensor references =
        torch::empty({static_cast<std::int64_t>(count), stems, channels, frames});
    for (std::size_t b = 0; b < count; ++b) {
      const Segment& segment = segments_[first + b];
      cache_.ReadStems(segment.track, segment.start, frames,
                       references[static_cast<std::int64_t>(b)].data_ptr<float>());
    }
    references = references.to(device);
    const torch::Tensor mix = references.sum(1);
    const torch::Tensor estimates = model.forward(mix);
    loss_sum += loss(estimates, references).item<double>() * static_cast<double>(count);
    const torch::Tensor energy = Energy(references), error = Energy(references - estimates),
                        mixture_error = Energy(references - mix.unsqueeze(1));
    for (std::size_t b = 0; b < count; ++b) {
      Energies& song = songs[segments_[first + b].track];
      song.reference.resize(static_cast<std::size_t>(stems));
      song.error.resize(static_cast<std::size_t>(stems));
      song.mixture_error.resize(static_cast<std::size_t>(stems));
      const auto add = [&](std::vector<double>& sums, const torch::Tensor& values) {
        const auto row = values.accessor<double, 2>()[static_cast<std::int64_t>(b)];
        for (std::int64_t s = 0; s < stems; ++s) sums[static_cast<std::size_t>(s)] += row[s];
      };
      add(song.reference, energy);
      add(song.error, error);
      add(song.mixture_error, mixture_error);
    }
  }
  if (was_training) model.train();

  ValidationFigures figures;
  figures.loss = loss_sum / static_cast<double>(std::max<std::int64_t>(1, segments()));
  double sum = 0.0;
  int with_sdr = 0;
  for (std::size_t s = 0; s < static_cast<std::size_t>(stems); ++s) {
    std::vector<double> estimate, mixture;
    for (const auto& [track, song] : songs) {
      estimate.push_back(Decibel(song.reference[s], song.error[s]));
      mixture.push_back(Decibel(song.reference[s], song.mixture_error[s]));
    }
    figures.sdr_db.push_back(Median(estimate));
    figures.mixture_sdr_db.push_back(Median(mixture));
    if (!std::isnan(figures.sdr_db[s])) sum += figures.sdr_db[s], ++with_sdr;
  }
  figures.mean_sdr_db = with_sdr > 0 ? sum / with_sdr : kNaN;
  return figures;
}

}  // namespace stemsmith
