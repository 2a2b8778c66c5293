// Fine-tuning by adapters: what is trained, saved, merged, and refused.
#include "models/adapters.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "core/text.h"
#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith {
namespace {
namespace lora {

using ::testing::HasSubstr;
using testing::MessageOf;

constexpr const char* kModel =
    "model={name: htdemucs, channels: 8, nfft: 256, depth: 2, t_layers: 2, t_heads: 2, "
    "bottom_channels: 8}";

class Lora : public testing::TrainingTest {
 protected:
  std::vector<std::string> Settings(std::vector<std::string> more = {}) {
    if (!std::filesystem::exists(folder_ / "base"))
      RunTraining("base", {kModel, "train.steps=2", "validate.every_steps=2"});
    more.insert(more.end(), {kModel, "init=" + (folder_ / "base").string()});
    if (std::none_of(more.begin(), more.end(), [](const auto& s) { return s.starts_with("lora"); }))
      more.push_back(kLora);
    return more;
  }
  NamedTensors Saved(const std::string& run, AdapterUse adapters) const {
    return LoadCheckpoint(CheckpointPath(run, "last"), {}, adapters).weights;
  }
  static constexpr const char* kLora =
      "lora={rank: 2, alpha: 6, dropout: 0.1, targets: [\"*.linear?\", \"*.out_proj\"]}";
};

TEST_F(Lora, TrainsAdaptersOnly) {
  RunTraining("tuned", Settings({"train.steps=4", "ema.batch=[0.5]"}));
  const NamedTensors base = Saved("base", AdapterUse::kMerged);
  const NamedTensors apart = Saved("tuned", AdapterUse::kApart);
  const std::map<std::string, torch::Tensor> before(base.begin(), base.end());
  int adapters = 0;
  for (const auto& [name, tensor] : apart) {
    if (name.ends_with(".lora_B")) {
      ++adapters;
      EXPECT_EQ(tensor.size(1), 2) << name;
      EXPECT_GT(tensor.abs().sum().item<double>(), 0.0) << name;
    } else if (!name.ends_with(".lora_A")) {
      EXPECT_TRUE(torch::equal(tensor, before.at(name))) << name;
    }
  }
  EXPECT_GE(adapters, 12);
  for (const auto& [name, tensor] : LoadCheckpoint(CheckpointPath("tuned", "last")).training)
    EXPECT_TRUE(!name.starts_with("optimizer.") || Holds(name, ".lora_")) << name;
}

// What everybody else reads is a model without adapters that separates as the one in training.
TEST_F(Lora, MergedWeightsSeparateAsTheModelInTraining) {
  RunTraining("tuned", Settings({"train.steps=4", "optimizer.lr=0.05"}));
  const Checkpoint merged = LoadCheckpoint(CheckpointPath("tuned", "last"));
  EXPECT_FALSE(merged.lora_alpha);
  const NamedTensors base = Saved("base", AdapterUse::kMerged);
  ASSERT_EQ(merged.weights.size(), base.size());
  const NamedTensors apart = Saved("tuned", AdapterUse::kApart);
  const std::map<std::string, torch::Tensor> parts(apart.begin(), apart.end());
  int moved = 0;
  for (const auto& [name, tensor] : merged.weights) {
    const std::string layer = name.substr(0, name.rfind('.'));
    if (!name.ends_with(".weight") || !parts.contains(layer + ".lora_A")) continue;
    const torch::Tensor expected =
        parts.at(name) + 3.0 * parts.at(layer + ".lora_B").mm(parts.at(layer + ".lora_A"));
    EXPECT_TRUE(torch::allclose(tensor, expected, 1e-5, 1e-6)) << name;
    moved += torch::equal(tensor, parts.at(name)) ? 0 : 1;
  }
  EXPECT_GE(moved, 12);
  // The last validation is on these weights: its figures come out again.
  const std::vector<double> losses = Losses("tuned", "validation");
  const Checkpoint best = LoadCheckpoint(CheckpointPath("tuned", "best"));
  ModelFromCheckpoint(best);  // all weights fit
  RunTraining("again", {kModel, "init=" + CheckpointPath("tuned", "last").string(), "train.steps=1",
                        "optimizer.lr=0", "validate.every_steps=1"});
  EXPECT_NEAR(Losses("again", "validation").back(), losses.back(), 1e-5 * losses.back());
}

TEST_F(Lora, ResumesExactly) {
  for (const std::string more : {"train.activation_checkpointing=true", "optimizer.name=muon"}) {
    SCOPED_TRACE(more);
    std::vector<std::string> settings =
        Settings({more, "ema.batch=[0.5]", "schedule.name=constant", "train.steps=8"});
    RunTraining("whole" + more, settings);
    settings[3] = "train.steps=4";
    RunTraining("parts" + more, settings);
    settings[3] = "train.steps=8";
    RunTraining("parts" + more, settings, /*resume=*/true);
    ExpectSameCheckpoint(CheckpointPath("whole" + more, "last"),
                         CheckpointPath("parts" + more, "last"));
  }
}

TEST_F(Lora, AdaptersAreAFileOfTheirOwn) {
  RunTraining("tuned", Settings({"train.steps=2"}));
  const std::string file = (folder_ / "adapters.safetensors").string();
  const auto path = CheckpointPath("tuned", "last");
  SaveAdapters(file, LoadCheckpoint(path, {}, AdapterUse::kApart), path.string());
  const SafetensorsFile adapters = LoadSafetensors(file);
  const std::map<std::string, std::string> about(adapters.metadata.begin(),
                                                 adapters.metadata.end());
  EXPECT_EQ(about.at("lora_alpha"), "6");
  EXPECT_EQ(about.at("lora_rank"), "2");
  for (const auto& [name, tensor] : adapters.tensors) EXPECT_TRUE(Holds(name, ".lora_")) << name;
  EXPECT_LT(std::filesystem::file_size(file), std::filesystem::file_size(path) / 2);
  EXPECT_THAT(MessageOf([&] {
                SaveAdapters(file, LoadCheckpoint(CheckpointPath("base", "last")), "base");
              }),
              HasSubstr("has no adapters"));
}

TEST_F(Lora, DamagedAdaptersAreRefused) {
  RunTraining("tuned", Settings({"train.steps=1"}));
  NamedTensors weights = Saved("tuned", AdapterUse::kApart);
  std::erase_if(weights, [](const auto& item) { return item.first.ends_with("lora_B"); });
  EXPECT_THAT(MessageOf([&] { MergeAdapters(weights, 6, "file"); }), HasSubstr("does not fit"));
}

TEST_F(Lora, SaysWhatItCannotDo) {
  const auto refusal = [&](const std::string& lora) {
    return MessageOf([&] { RunTraining("run", Settings({"lora=" + lora})); });
  };
  EXPECT_THAT(refusal("{rank: 9, targets: [\"*.out_proj\"]}"),
              HasSubstr("lora.rank (9) is larger than the layer"));
  const std::string problem = refusal("{targets: [\"*.out_prij\"]}");
  EXPECT_THAT(problem, HasSubstr("no fully connected layer's name matches '*.out_prij'"));
  EXPECT_THAT(problem, HasSubstr("out_proj"));
  EXPECT_THAT(refusal("{rank: 2}"), HasSubstr("lora.targets names no layers"));
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {kModel, kLora}); }), HasSubstr("init.file"));
}

}  // namespace lora
}  // namespace
}  // namespace stemsmith
