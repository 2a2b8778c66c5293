#include "separate/combined_song.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/names.h"
#include "core/option.h"
#include "separate/spectral_song.h"

namespace stemsmith {
namespace {

constexpr char kMean[] = "mean";

float Median(std::span<float> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 != 0) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// The first of those that are nearest to zero, or farthest from it.
template <typename Value>
Value Smallest(std::span<Value> values) {
  return *std::min_element(values.begin(), values.end(),
                           [](Value a, Value b) { return std::abs(a) < std::abs(b); });
}
template <typename Value>
Value Largest(std::span<Value> values) {
  return *std::max_element(values.begin(), values.end(),
                           [](Value a, Value b) { return std::abs(a) < std::abs(b); });
}

// Complex numbers have no order: of each part by itself.
std::complex<float> MedianOfParts(std::span<std::complex<float>> values) {
  std::vector<float> part(values.size());
  const auto median = [&](float (*of)(const std::complex<float>&)) {
    std::transform(values.begin(), values.end(), part.begin(), of);
    return Median(part);
  };
  return {median(std::real<float>), median(std::imag<float>)};
}

class CombinedSong : public SongSeparator {
 public:
  CombinedSong(Songs songs, std::vector<double> weights, float (*combine)(std::span<float>))
      : songs_(std::move(songs)), weights_(std::move(weights)), combine_(combine) {
    weights_.resize(songs_.size(), weights_.empty() ? 1.0 : 0.0);
    double sum = 0;
    for (const double weight : weights_) sum += weight;
    for (double& weight : weights_) weight /= sum;
  }
  const AudioInfo& info() const override { return songs_.front()->info(); }
  const std::vector<std::string>& stems() const override { return songs_.front()->stems(); }
  std::vector<Damage> damage() const override { return songs_.front()->damage(); }

  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const std::size_t count = ReadTogether(songs_, frames, all_);
    blocks.swap(all_.front());
    std::vector<float> values(songs_.size());
    for (std::size_t s = 0; s < blocks.size(); ++s) {
      for (std::size_t i = 0; i < blocks[s].size(); ++i) {
        values[0] = blocks[s][i];
        for (std::size_t k = 1; k < values.size(); ++k) values[k] = all_[k][s][i];
        blocks[s][i] = combine_ != nullptr ? combine_(values) : Mean(values);
      }
    }
    return count;
  }

 private:
  float Mean(const std::vector<float>& values) const {
    double sum = 0;
    for (std::size_t k = 0; k < values.size(); ++k) sum += weights_[k] * values[k];
    return static_cast<float>(sum);
  }

  Songs songs_;
  std::vector<double> weights_;         // that add up to 1
  float (*combine_)(std::span<float>);  // null: the mean
  std::vector<std::vector<std::vector<float>>> all_;
};

std::unique_ptr<SongSeparator> CombineSpectra(
    Songs songs, std::complex<float> (*combine)(std::span<std::complex<float>>)) {
  std::vector<std::string> stems = songs.front()->stems();
  const std::size_t count = songs.size();
  SpectralChange change;
  change.change = [combine, values = std::vector<std::complex<float>>(count)](
                      std::size_t, const SpectralChange::Spectra& in,
                      SpectralChange::Spectra& out) mutable {
    for (std::size_t m = 0; m < out.size(); ++m) {
      for (std::size_t f = 0; f < out[m].size(); ++f) {
        for (std::size_t k = 0; k < values.size(); ++k) values[k] = in[k * out.size() + m][f];
        out[m][f] = combine(values);
      }
    }
  };
  return ChangeSpectra(std::move(songs), std::move(stems), std::move(change));
}

}  // namespace

const std::vector<Combination>& CombinationTable() {
  static const std::vector<Combination> table = {
      {kMean, "of the samples, with --weights", nullptr, nullptr},
      {"median", "of the samples", Median, nullptr},
      {"min", "the sample nearest to zero", Smallest<float>, nullptr},
      {"max", "the sample farthest from zero", Largest<float>, nullptr},
      {"min_fft", "the bin of least magnitude: less bleeding", nullptr,
       Smallest<std::complex<float>>},
      {"max_fft", "the bin of largest magnitude: fuller", nullptr, Largest<std::complex<float>>},
      {"median_fft", "of the bins' real and imaginary parts", nullptr, MedianOfParts},
  };
  return table;
}

void EnsembleOptions::Check(std::size_t songs) const {
  const bool is_mean = combine.empty() || combine == kMean;
  if (!is_mean) FindRow(CombinationTable(), combine, "combination", Option("combine"));
  if (songs == 1 && (!combine.empty() || !weights.empty()))
    throw Error::Usage("a single model leaves nothing to combine",
                       Option(combine.empty() ? "weights" : "combine"),
                       "give " + Option("model") + " for each of several models");
  if (weights.empty()) return;
  if (!is_mean)
    throw Error::Usage("only the mean has weights", Option("weights"),
                       "leave them out, or choose " + Option("combine", kMean));
  if (weights.size() != songs)
    throw Error::Usage(std::to_string(weights.size()) + " weights for " + std::to_string(songs) +
                           " models",
                       Option("weights"), "give one for each, in the order of the models");
  const auto is_weight = [](double weight) { return weight >= 0 && std::isfinite(weight); };
  if (!std::all_of(weights.begin(), weights.end(), is_weight) ||
      *std::max_element(weights.begin(), weights.end()) == 0)
    throw Error::Usage("weights that have no mean", Option("weights"),
                       "give numbers from 0 on, not all 0");
}

std::unique_ptr<SongSeparator> CombineSongs(std::vector<std::unique_ptr<SongSeparator>> songs,
                                            const EnsembleOptions& options) {
  if (songs.size() == 1) return std::move(songs.front());
  options.Check(songs.size());
  const Combination& row =
      FindRow(CombinationTable(), options.combine.empty() ? kMean : options.combine, "combination",
              Option("combine"));
  if (row.bins != nullptr) return CombineSpectra(std::move(songs), row.bins);
  return std::make_unique<CombinedSong>(std::move(songs), options.weights, row.samples);
}

}  // namespace stemsmith
