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
  // shares[m][s] sum to 1 for every stem.
  Bag(std::vector<std::shared_ptr<SeparationModel>> models,
      std::vector<std::vector<double>> shares, ModelSetting setting)
      : SeparationModel(std::move(setting)),
        models_(std::move(models)),
        shares_(std::move(shares)) {
    torch::nn::ModuleList list;
    for (const auto& model : models_) list->push_back(model);
    register_module("models", list);
  }

  // Stacked from a sum per stem of the models that have a share in it, so that whoever runs the
  // graph for some stems can leave out the models of the others.
  torch::Tensor Separate(const torch::Tensor& mix) override {
    std::vector<torch::Tensor> stems(shares_.front().size());
    for (std::size_t m = 0; m < models_.size(); ++m) {
      const torch::Tensor estimates = models_[m]->forward(mix);
      for (std::size_t s = 0; s < stems.size(); ++s) {
        if (shares_[m][s] == 0) continue;
        const torch::Tensor part =
            estimates.select(1, static_cast<std::int64_t>(s)) * shares_[m][s];
        stems[s] = stems[s].defined() ? stems[s] + part : part;
      }
    }
    return torch::stack(stems, 1);
  }

  LengthRule length_rule() const override { return Common(&SeparationModel::length_rule); }
  LengthRule taken_lengths() const override { return Common(&SeparationModel::taken_lengths); }
  bool fills_with_context() const override {
    return length_rule().dynamic &&
           std::all_of(models_.begin(), models_.end(),
                       [](const auto& model) { return model->fills_with_context(); });
  }

  std::int64_t widest_step_frames() const override {
    std::int64_t widest = 1;
    for (const auto& model : models_) widest = std::max(widest, model->widest_step_frames());
    return widest;
  }

  std::int64_t longest_uncut_frames() const override {
    std::int64_t longest = 0;
    for (const auto& model : models_) longest = std::max(longest, model->longest_uncut_frames());
    return longest;
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
  // The models' rule, where it is one.
  LengthRule Common(LengthRule (SeparationModel::*rule_of)() const) const {
    LengthRule common = (*models_[0].*rule_of)();
    for (const auto& model : models_) {
      const LengthRule rule = (*model.*rule_of)();
      if (rule.offset_frames != common.offset_frames ||
          rule.multiple_frames != common.multiple_frames)
        return {.dynamic = false, .offset_frames = 1, .multiple_frames = 1};
      common.dynamic &= rule.dynamic;
    }
    return common;
  }

  std::vector<std::shared_ptr<SeparationModel>> models_;
  std::vector<std::vector<double>> shares_;
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
  const std::size_t stems = setting.stems.size();
  const std::vector<Config> rows = config.List("weights");
  if (!rows.empty() && rows.size() != models.size())
    throw Error::Usage("weights for " + std::to_string(rows.size()) + " models, not " +
                           std::to_string(models.size()),
                       config.Where("weights"), "give a list of weights per model");
  std::vector<std::vector<double>> shares(models.size(), std::vector<double>(stems, 1.0));
  for (std::size_t m = 0; m < rows.size(); ++m) {
    const std::vector<Config> row = rows[m].Items();
    if (row.size() != stems)
      throw Error::Usage(
          std::to_string(row.size()) + " weights for " + std::to_string(stems) + " stems",
          rows[m].Where(), "give a weight per stem");
    for (std::size_t s = 0; s < stems; ++s)
      shares[m][s] = RequireNumber<double>(row[s].AsString(), {0, 1e6}, "a weight of the bag",
                                           rows[m].Where());
  }
  for (std::size_t s = 0; s < stems; ++s) {
    double total = 0;
    for (const auto& row : shares) total += row[s];
    if (total <= 0)
      throw Error::Usage("a stem has no model: all its weights are 0", config.Where("weights"),
                         "give it a weight above 0 in one model");
    for (auto& row : shares) row[s] /= total;
  }
  return std::make_shared<Bag>(std::move(models), std::move(shares), setting);
}

}  // namespace stemsmith
