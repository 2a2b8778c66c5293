#include "train/loss.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/error.h"
#include "core/names.h"

namespace stemsmith {
namespace {

// One weight per stem; empty where all count alike.
std::vector<double> ReadStemWeights(const Config& item, const LossSetting& setting) {
  const std::string key = "stem_weights";
  if (!item.Has(key)) return {};
  const Config given = item.Value(key);
  const std::vector<std::string>& stems = setting.stems;
  std::vector<double> weights(stems.size(), 1.0);
  if (!given.IsMap()) {
    if (given.IsList() || given.AsString() != "loudness") {
      throw Error::Usage("stem_weights is neither a map of stems nor loudness", item.Where(key),
                         "as in stem_weights: {" + stems.front() + ": 2.0}");
    }
    for (std::size_t s = 0; s < stems.size(); ++s) {
      if (!(setting.stem_levels[s] > 0.0)) {
        throw Error::Usage("the stem '" + stems[s] + "' is silent in all training songs: it has " +
                               "no loudness to be weighted by",
                           item.Where(key), "leave the stem out, or give weights by name");
      }
      weights[s] = 1.0 / setting.stem_levels[s];
    }
    return weights;
  }
  for (const std::string& stem : given.Keys()) {
    const std::size_t place =
        RequireName(stem, stems, "stem_weights names '" + stem + "', which is no stem of the cache",
                    given.Where(stem));
    weights[place] = given.NumberIn(stem, 1.0, 0.0, 1e9);
  }
  if (std::all_of(weights.begin(), weights.end(), [](double w) { return w == 0.0; })) {
    throw Error::Usage("stem_weights leaves no stem to be trained", item.Where(key),
                       "give at least one of them a weight above 0");
  }
  return weights;
}

}  // namespace

const std::vector<LossRow>& LossTable() {
  static const std::vector<LossRow> table = {
      {"l1", "mean absolute difference of samples, magnitudes or spectrograms", MakeL1},
      {"mse", "mean squared difference of samples, magnitudes or spectrograms", MakeMse},
      {"trimmed_mse", "mse without the largest errors, for stems that are not clean",
       MakeTrimmedMse},
      {"spectral_convergence", "relative error of magnitudes", MakeSpectralConvergence},
      {"multi_resolution_stft", "spectral convergence and log magnitudes at several resolutions",
       MakeMultiResolutionStft},
      {"multi_resolution_complex_stft", "differences of complex spectra at several resolutions",
       MakeMultiResolutionComplexStft},
      {"si_sdr", "scale-invariant signal-to-distortion ratio in dB, negative", MakeSiSdr},
  };
  return table;
}

WeightedLoss::WeightedLoss(const std::vector<Config>& items, const LossSetting& setting) {
  static const Config kDefault = Config::Parse("{name: l1, domain: waveform, weight: 1.0}", "loss");
  for (const Config& item : items.empty() ? std::vector<Config>{kDefault} : items) {
    const LossRow& row =
        FindRow(LossTable(), item.RequiredString("name"), "loss", item.Where("name"));
    Term term;
    term.weight = item.NumberIn("weight", 1.0, 0.0, 1e9);
    if (const std::vector<double> weights = ReadStemWeights(item, setting); !weights.empty()) {
      const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
      term.stem_weights =
          (torch::tensor(weights, torch::kFloat64) / sum).to(setting.device, torch::kFloat32);
    }
    term.loss = row.make(item, setting);
    terms_.push_back(std::move(term));
    if (terms_.back().loss->on_spectrograms() != on_spectrograms()) {
      throw Error::Usage("a loss on spectrograms cannot be combined with one on waveforms",
                         item.Where("domain"),
                         "use domain: spectrogram for all losses, or for none");
    }
  }
}

torch::Tensor WeightedLoss::operator()(const torch::Tensor& estimates, const torch::Tensor& targets,
                                       const std::vector<std::int64_t>& stems) const {
  torch::Tensor sum;
  for (const Term& term : terms_) {
    const torch::Tensor each = term.loss->PerStem(estimates, targets);
    torch::Tensor weights = term.stem_weights;
    if (weights.defined() && !stems.empty()) {
      const double share = static_cast<double>(weights.size(0)) / static_cast<double>(stems.size());
      weights = weights.index_select(0, torch::tensor(stems, weights.device())) * share;
    }
    torch::Tensor value = weights.defined() ? each.dot(weights) : each.mean();
    value = value * term.weight;
    sum = sum.defined() ? sum + value : value;
  }
  return sum;
}

}  // namespace stemsmith
