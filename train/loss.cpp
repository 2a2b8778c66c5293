#include "train/loss.h"

#include <functional>
#include <string>

#include "core/error.h"
#include "train/table.h"

namespace stemsmith {
namespace {

// What a difference is taken of: samples, magnitudes of an STFT of these, or the magnitudes that
// the model itself looks at and estimates.
class Domain {
 public:
  Domain(const Config& config, const torch::Device& device) {
    const std::string domain =
        config.Choice("domain", "waveform", {"waveform", "magnitude", "spectrogram"});
    on_spectrograms_ = domain == "spectrogram";
    if (domain != "magnitude") return;
    n_fft_ = config.IntegerIn("n_fft", 2048, 16, 1 << 20);
    hop_ = config.IntegerIn("hop", n_fft_ / 4, 1, n_fft_);
    window_ = torch::hann_window(n_fft_, torch::TensorOptions().device(device));
  }

  bool on_spectrograms() const { return on_spectrograms_; }

  // Itself, or [B, S, C, T] → magnitudes [B · S · C, F, N].
  torch::Tensor operator()(const torch::Tensor& audio) const {
    if (!window_.defined()) return audio;
    return torch::stft(audio.reshape({-1, audio.size(-1)}), n_fft_, hop_, n_fft_, window_,
                       /*center=*/true, "reflect", /*normalized=*/false, /*onesided=*/true,
                       /*return_complex=*/true)
        .abs();
  }

 private:
  bool on_spectrograms_ = false;
  std::int64_t n_fft_ = 0, hop_ = 0;
  torch::Tensor window_;
};

// Mean absolute or mean squared difference.
using Difference = torch::Tensor (*)(const torch::Tensor&, const torch::Tensor&);
class ElementLoss : public Loss {
 public:
  ElementLoss(const Config& config, const torch::Device& device, Difference difference)
      : domain_(config, device), difference_(difference) {}
  torch::Tensor operator()(const torch::Tensor& estimates,
                           const torch::Tensor& targets) const override {
    torch::Tensor reference;
    {
      torch::NoGradGuard no_grad;
      reference = domain_(targets);
    }
    return difference_(domain_(estimates), reference);
  }
  bool on_spectrograms() const override { return domain_.on_spectrograms(); }

 private:
  Domain domain_;
  Difference difference_;
};

std::unique_ptr<Loss> MakeL1(const Config& config, const torch::Device& device) {
  return std::make_unique<ElementLoss>(
      config, device,
      [](const torch::Tensor& a, const torch::Tensor& b) { return torch::l1_loss(a, b); });
}

std::unique_ptr<Loss> MakeMse(const Config& config, const torch::Device& device) {
  return std::make_unique<ElementLoss>(
      config, device,
      [](const torch::Tensor& a, const torch::Tensor& b) { return torch::mse_loss(a, b); });
}

}  // namespace

const std::vector<LossRow>& LossTable() {
  static const std::vector<LossRow> table = {
      {"l1", "mean absolute difference of samples, magnitudes or spectrograms", MakeL1},
      {"mse", "mean squared difference of samples, magnitudes or spectrograms", MakeMse},
  };
  return table;
}

WeightedLoss::WeightedLoss(const std::vector<Config>& items, const torch::Device& device) {
  static const Config kDefault = Config::Parse("{name: l1, domain: waveform, weight: 1.0}", "loss");
  for (const Config& item : items.empty() ? std::vector<Config>{kDefault} : items) {
    const LossRow& row = FindRow(LossTable(), item.RequiredString("name"), "loss", item);
    Term term;
    term.weight = item.NumberIn("weight", 1.0, 0.0, 1e9);
    term.loss = row.make(item, device);
    terms_.push_back(std::move(term));
    if (terms_.back().loss->on_spectrograms() != on_spectrograms()) {
      throw Error::Usage("a loss on spectrograms cannot be combined with one on waveforms",
                         item.Where("domain"),
                         "use domain: spectrogram for all losses, or for none");
    }
  }
}

torch::Tensor WeightedLoss::operator()(const torch::Tensor& estimates,
                                       const torch::Tensor& targets) const {
  torch::Tensor sum;
  for (const Term& term : terms_) {
    torch::Tensor value = (*term.loss)(estimates, targets) * term.weight;
    sum = sum.defined() ? sum + value : value;
  }
  return sum;
}

}  // namespace stemsmith
