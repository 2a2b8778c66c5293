// A bag: several models of the same stems whose estimates are averaged with a weight per model and
// stem, as the bags of Demucs. One model like any other: one checkpoint, one exported file.
//
// Every model pads the mixture as it needs. Where they have one length rule it is the bag's too;
// else exported graphs are of the segment's length.
#include <algorithm>

#include "core/error.h"
#include "core/numbers.h"
#include "models/separation_model.h"

namespace stemsmith {
namespace {

class Bag : public SeparationModel {
 public:
  Bag(std::vector<std::shared_ptr<SeparationModel>> models, const torch::Tensor& weights,
      ModelSetting setting)
      : SeparationModel(std::move(setting)), models_(std::move(models)) {
    torch::nn::ModuleList list;
    for (const auto& model : models_) list->push_back(model);
    register_module("models", list);
    // [M, S] → shares that sum to 1 for every stem: [M, S, 1, 1].
    const torch::Tensor shares = weights / weights.sum(0, /*keepdim=*/true);
    shares_ = RegisterTransientBuffer(*this, "shares", shares.unsqueeze(-1).unsqueeze(-1));
  }

  torch::Tensor Separate(const torch::Tensor& mix) override {
    torch::Tensor sum;
    for (std::size_t m = 0; m < models_.size(); ++m) {
      const torch::Tensor part =
          models_[m]->forward(mix) * shares_.select(0, static_cast<std::int64_t>(m));
      sum = m == 0 ? part : sum + part;
    }
    return sum;
  }

  LengthRule length_rule() const override {
    LengthRule common = models_[0]->length_rule();
    for (const auto& model : models_) {
      const LengthRule rule = model->length_rule();
      if (rule.offset_frames != common.offset_frames ||
          rule.multiple_frames != common.multiple_frames)
        return {.dynamic = false, .offset_frames = 1, .multiple_frames = 1};
      common.dynamic &= rule.dynamic;
    }
    return common;
  }

  void UseSegment(std::int64_t frames) override {
    for (const auto& model : models_) model->UseSegment(frames);
  }

  void UseStatistics(const std::function<torch::Tensor()>& next) override {
    std::vector<torch::Tensor> mixtures;
    for (torch::Tensor mix = next(); mix.defined(); mix = next()) mixtures.push_back(mix);
    for (const auto& model : models_) {
      model->UseStatistics([&mixtures, i = std::size_t{0}]() mutable {
        return i < mixtures.size() ? mixtures[i++] : torch::Tensor();
      });
    }
  }

 private:
  std::vector<std::shared_ptr<SeparationModel>> models_;
  torch::Tensor shares_;  // transient
};

}  // namespace

std::shared_ptr<SeparationModel> MakeBag(const Config& config, const ModelSetting& setting) {
  std::vector<Config> parts = config.List("models");
  if (parts.empty()) parts.assign(2, Config::Parse("name: unet", "the default bag"));
  std::vector<std::shared_ptr<SeparationModel>> models;
  for (const Config& part : parts) {
    if (part.RequiredString("name") == "bag")
      throw Error::Usage("a bag in a bag", part.Where("name"), "list all models in one bag");
    models.push_back(MakeModel(part, setting));
  }
  const auto stems = static_cast<std::int64_t>(setting.stems.size());
  torch::Tensor weights = torch::ones({static_cast<std::int64_t>(models.size()), stems});
  const std::vector<Config> rows = config.List("weights");
  std::vector<double> totals(setting.stems.size());  // by stem
  if (!rows.empty() && rows.size() != models.size())
    throw Error::Usage("weights for " + std::to_string(rows.size()) + " models, not " +
                           std::to_string(models.size()),
                       config.Where("weights"), "give a list of weights per model");
  for (std::size_t m = 0; m < rows.size(); ++m) {
    const std::vector<Config> row = rows[m].Items();
    if (static_cast<std::int64_t>(row.size()) != stems)
      throw Error::Usage(
          std::to_string(row.size()) + " weights for " + std::to_string(stems) + " stems",
          rows[m].Where(), "give a weight per stem");
    for (std::size_t s = 0; s < row.size(); ++s) {
      const std::string text = row[s].AsString();
      const auto weight =
          RequireNumber<double>(text, {0, 1e6}, "a weight of the bag", rows[m].Where());
      totals[s] += weight;
      weights.index_put_({static_cast<std::int64_t>(m), static_cast<std::int64_t>(s)}, weight);
    }
  }
  if (!rows.empty() && *std::min_element(totals.begin(), totals.end()) <= 0)
    throw Error::Usage("a stem has no model: all its weights are 0", config.Where("weights"),
                       "give it a weight above 0 in one model");
  return std::make_shared<Bag>(std::move(models), weights, setting);
}

}  // namespace stemsmith
