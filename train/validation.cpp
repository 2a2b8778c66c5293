#include "train/validation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/json_fields.h"
#include "evaluate/metrics.h"
#include "models/model_runtime.h"

namespace stemsmith {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// [b, S, C, T] → [b, S] on the CPU, summed in double.
torch::Tensor Energy(const torch::Tensor& audio) {
  return audio.square().sum({2, 3}, /*keepdim=*/false, torch::kFloat64).cpu();
}

}  // namespace

nlohmann::json ValidationFigures::ToJson(const std::vector<std::string>& stems) const {
  const nlohmann::json none = nlohmann::json::object();
  nlohmann::json json = {{"loss", FiniteOrNull(loss)},
                         {"mean_sdr_db", FiniteOrNull(mean_sdr_db)},
                         {"sdr_db", none},
                         {"mixture_sdr_db", none}};
  for (std::size_t s = 0; s < sdr_db.size(); ++s) {
    json["sdr_db"][stems[s]] = FiniteOrNull(sdr_db[s]);
    json["mixture_sdr_db"][stems[s]] = FiniteOrNull(mixture_sdr_db[s]);
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

torch::Tensor Validation::ReadAudio(std::span<const Segment> segments,
                                    std::int64_t context_frames) const {
  const std::int64_t frames = options_.segment_frames + 2 * context_frames;
  torch::Tensor audio =
      torch::empty({static_cast<std::int64_t>(segments.size()),
                    static_cast<std::int64_t>(cache_.stems().size()), cache_.channels(), frames});
  for (std::size_t b = 0; b < segments.size(); ++b) {
    cache_.ReadStems(segments[b].track, segments[b].start - context_frames, frames,
                     audio[static_cast<std::int64_t>(b)].data_ptr<float>());
  }
  return audio;
}

double Validation::Judge(const Objective& objective, std::span<const Segment> segments,
                         const torch::Device& device, torch::Tensor energies) const {
  const std::int64_t context = objective.context_frames();
  const torch::Tensor audio = ReadAudio(segments, context).to(device);
  const torch::Tensor references = audio.slice(-1, context, context + options_.segment_frames);
  const torch::Tensor mix = references.sum(1);
  const torch::Tensor estimates = objective.model().forward(mix);
  const torch::Tensor loss = objective.on_spectrograms()
                                 ? objective(audio.sum(1), audio)
                                 : objective.OfEstimates(estimates, references);
  energies.select(1, 0).copy_(Energy(references));
  energies.select(1, 1).copy_(Energy(references - estimates));
  energies.select(1, 2).copy_(Energy(references - mix.unsqueeze(1)));
  return loss.item<double>();
}

double Validation::JudgeSpectrograms(const Objective& objective, std::span<const Segment> segments,
                                     const torch::Device& device) const {
  const SpectrogramFormat& format = *cache_.spectrogram();
  const auto batch = static_cast<std::int64_t>(segments.size());
  const auto stems = static_cast<std::int64_t>(cache_.stems().size());
  const std::int64_t rows = cache_.channels() * format.bins();
  const std::int64_t frames = options_.segment_frames / format.hop;
  const torch::Tensor mix = torch::empty({batch, rows, frames});
  const torch::Tensor references = torch::empty({batch, stems, rows, frames});
  for (std::size_t b = 0; b < segments.size(); ++b) {
    const auto place = static_cast<std::int64_t>(b);
    cache_.ReadSpectrogram(segments[b].track, segments[b].start / format.hop, frames,
                           mix[place].data_ptr<float>(), references[place].data_ptr<float>());
  }
  return objective(mix.to(device), references.to(device)).item<double>();
}

ValidationFigures Validation::Run(const Objective& objective, const torch::Device& device,
                                  const Ranks& ranks) const {
  torch::NoGradGuard no_grad;
  SeparationModel& model = objective.model();
  const EvalMode eval(model);
  const std::int64_t batches = (segments() + options_.batch_size - 1) / options_.batch_size;
  // Each rank fills in its batches, and leaves zeros for the others'. Sums with zeros are exact.
  torch::Tensor losses = torch::zeros({batches}, torch::kFloat64);
  torch::Tensor energies = torch::zeros(
      {segments(), 3, static_cast<std::int64_t>(cache_.stems().size())}, torch::kFloat64);
  const std::span<const Segment> all = segments_;
  for (std::int64_t i = ranks.rank(); i < batches; i += ranks.size()) {
    const std::int64_t first = i * options_.batch_size;
    const std::int64_t size = std::min<std::int64_t>(options_.batch_size, segments() - first);
    const auto batch = all.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size));
    const double loss = cache_.spectrogram() ? JudgeSpectrograms(objective, batch, device)
                                             : Judge(objective, batch, device,
                                                     energies.slice(0, first, first + size));
    losses[i] = loss * static_cast<double>(size);
  }
  ranks.Sum(losses);
  ranks.Sum(energies);

  ValidationFigures figures;
  double sum = 0.0;
  for (std::int64_t i = 0; i < batches; ++i) sum += losses[i].item<double>();
  figures.loss = sum / static_cast<double>(std::max<std::int64_t>(1, segments()));
  figures.mean_sdr_db = kNaN;
  if (!cache_.spectrogram()) AddSdr(energies, figures);
  return figures;
}

void Validation::AddSdr(const torch::Tensor& energies, ValidationFigures& figures) const {
  // [3, S] of each song, added up in the order of its segments.
  std::map<std::size_t, torch::Tensor> songs;
  for (std::int64_t i = 0; i < segments(); ++i) {
    const std::size_t track = segments_[static_cast<std::size_t>(i)].track;
    const auto [song, fresh] = songs.try_emplace(track, energies[i]);
    if (!fresh) song->second = song->second + energies[i];
  }
  double sum = 0.0;
  int with_sdr = 0;
  for (std::size_t s = 0; s < cache_.stems().size(); ++s) {
    std::vector<double> estimate, mixture;
    for (const auto& [track, song] : songs) {
      const auto energy = [&](std::int64_t which) {
        return song[which][static_cast<std::int64_t>(s)].item<double>();
      };
      estimate.push_back(Distortion{energy(0), energy(1)}.Db());
      mixture.push_back(Distortion{energy(0), energy(2)}.Db());
    }
    figures.sdr_db.push_back(Median(estimate));
    figures.mixture_sdr_db.push_back(Median(mixture));
    if (!std::isnan(figures.sdr_db[s])) sum += figures.sdr_db[s], ++with_sdr;
  }
  if (with_sdr > 0) figures.mean_sdr_db = sum / with_sdr;
}

}  // namespace stemsmith
