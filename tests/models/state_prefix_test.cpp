#include "models/weights/state_prefix.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/option.h"
#include "models/weights/import.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace state_prefix_test {

NamedTensors Tensors(const std::vector<std::pair<std::string, std::int64_t>>& sizes) {
  NamedTensors tensors;
  for (const auto& [name, size] : sizes)
    tensors.emplace_back(name, torch::full({size}, static_cast<double>(tensors.size())));
  return tensors;
}

NamedTensors Under(const std::string& prefix, const NamedTensors& model) {
  NamedTensors named;
  for (const auto& [name, tensor] : model) named.emplace_back(prefix + name, tensor);
  return named;
}

NamedTensors Joined(std::initializer_list<NamedTensors> parts) {
  NamedTensors all;
  for (const NamedTensors& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::vector<std::string> Names(const NamedTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

const NamedTensors kModel = Tensors({{"encoder.0.weight", 3}, {"encoder.0.bias", 2}, {"out", 1}});

TEST(StatePrefix, IsWhateverMakesTheNamesFit) {
  for (const std::string prefix :
       {"", "model.", "module.", "_orig_mod.", "ema_model.", "net.", "_orig_mod.module.",
        "module._orig_mod.", "model._orig_mod.module.", "state_dict.model.model.", "a.b.c.d.e.",
        "trainer.student-2.", "encoder."}) {
    const ChosenState chosen = ChooseState(Under(prefix, kModel), kModel);
    EXPECT_EQ(Names(chosen.state), Names(kModel)) << prefix;
    EXPECT_EQ(chosen.Note(), "") << prefix;
    EXPECT_EQ(chosen.Sight().empty(), chosen.prefix.empty()) << prefix;
  }
}

TEST(StatePrefix, WordsOfWrappersInsideOfNamesGo) {
  const NamedTensors given =
      Tensors({{"model.encoder._orig_mod.0.weight", 3},
               {"model.encoder.0._checkpoint_wrapped_module._fsdp_wrapped_module.bias", 2},
               {"model.out", 1}});
  EXPECT_EQ(Names(ChooseState(given, kModel).state), Names(kModel));
  // But not where two names become one, and not as a part of a word.
  const NamedTensors twice = Tensors({{"out", 1}, {"_orig_mod.out", 1}});
  EXPECT_EQ(Names(ChooseState(twice, kModel).state), Names(twice));
  EXPECT_EQ(Names(ChooseState(Tensors({{"my_orig_mod.out", 1}}), Tensors({{"a", 1}})).state),
            std::vector<std::string>{"my_orig_mod.out"});
}

TEST(StatePrefix, WhatLiesBesideTheModelIsNamed) {
  const NamedTensors beside = Tensors(
      {{"loss_fn.window", 4}, {"ema.shadow.3", 3}, {"metrics.sdr.total", 1}, {"n_averaged", 1}});
  for (const std::string prefix : {"model.", "net._orig_mod.", ""}) {
    const ChosenState chosen = ChooseState(Joined({beside, Under(prefix, kModel)}), kModel);
    EXPECT_EQ(Names(chosen.state), Names(kModel)) << prefix;
    EXPECT_EQ(chosen.aside, Names(beside)) << prefix;
    EXPECT_NE(chosen.Note().find("left out: 4 (\"loss_fn.window\", "), std::string::npos)
        << chosen.Note();
  }
  // A part that the model lacks is none of these: it must not vanish.
  const NamedTensors more = Tensors({{"upsampler.weight", 3}, {"encoder.1.weight", 3}});
  for (const std::string prefix : {"", "model."}) {
    const ChosenState chosen = ChooseState(Under(prefix, Joined({kModel, more})), kModel);
    EXPECT_EQ(chosen.state.size(), 5u) << prefix;
    EXPECT_EQ(chosen.Note(), "") << prefix;
  }
}

TEST(StatePrefix, OfSeveralSetsTheWeightsComeBeforeTheirAverages) {
  for (const std::string average : {"ema.", "ema_model.module.", "model_ema.", "shadow.net."}) {
    const ChosenState chosen =
        ChooseState(Joined({Under(average, kModel), Under("generator.", kModel)}), kModel);
    EXPECT_EQ(chosen.prefix, "generator.");
    EXPECT_EQ(chosen.others, std::vector<std::string>{average});
    EXPECT_NE(chosen.Note().find(Option("prefix")), std::string::npos);
  }
  const ChosenState plain = ChooseState(Joined({Under("old.", kModel), kModel}), kModel);
  EXPECT_EQ(Names(plain.state), Names(kModel));
  EXPECT_EQ(plain.others, std::vector<std::string>{"old."});
  // Shapes decide where names do not.
  NamedTensors wider = Tensors({{"a.encoder.0.weight", 6}, {"a.encoder.0.bias", 2}, {"a.out", 1}});
  EXPECT_EQ(ChooseState(Joined({wider, Under("student.", kModel)}), kModel).prefix, "student.");
}

TEST(StatePrefix, IsNamedWhereNothingFits) {
  EXPECT_EQ(PrefixesOf(Tensors({{"net.body.a", 1}, {"net.body.b.c", 1}, {"net.bodies.b", 1}})),
            "\"net.\"");
  EXPECT_EQ(PrefixesOf(Tensors({{"head.a", 1}, {"net.b", 1}, {"net.c", 1}})),
            "\"net\" (2), \"head\" (1)");
  EXPECT_EQ(PrefixesOf(Tensors({{"separator.backbone.a", 1}})), "\"separator.backbone.\"");
  const ChosenState chosen = ChooseState(Tensors({{"net.x", 1}, {"net.y", 1}}), kModel);
  EXPECT_EQ(chosen.Sight(), "the names begin with \"net.\"");
  EXPECT_EQ(chosen.state.size(), 2u);
}

// Through the whole of `import`, by the configuration beside the weights.
class PrefixImport : public ::testing::Test {
 protected:
  PrefixImport() {
    WriteText("w.yaml",
              "model: {name: demucs_v2, channels: 4, depth: 3}\nstems: [a, b]\nsample_rate_hz: "
              "44100\nchannels: 2\nsegment_seconds: 1\n");
    torch::manual_seed(3);
    model_ = MakeModel(Config::Parse("{name: demucs_v2, channels: 4, depth: 3}", "x"), Setting(2))
                 ->StateDict();
  }
  void WriteText(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  ImportedModel Import(const NamedTensors& given, const ImportOptions& options = {}) {
    SaveSafetensors(folder_ / "w.safetensors", given, {});
    return ImportWeights(folder_ / "w.safetensors", options);
  }
  std::string Problem(const NamedTensors& given, const ImportOptions& options = {}) {
    return MessageOf([&] { Import(given, options); });
  }

  TemporaryFolder folder_;
  NamedTensors model_;
};

TEST_F(PrefixImport, TakesTheModelAndSaysWhatElseWasThere) {
  NamedTensors changed;
  for (const auto& [name, tensor] : model_) changed.emplace_back("ema_model." + name, tensor + 1);
  const NamedTensors given =
      Joined({changed, Under("model._orig_mod.", model_), Tensors({{"loss_fn.mel.fb", 3}})});
  for (const std::string prefix : {"", "ema_model."}) {
    ImportOptions options;
    options.prefix = prefix;
    const ImportedModel imported = Import(given, options);
    EXPECT_EQ(imported.kept, imported.wanted);
    const auto& weights = imported.checkpoint.weights;
    ASSERT_EQ(weights.size(), model_.size());
    EXPECT_TRUE(torch::equal(weights[0].second, model_[0].second + (prefix.empty() ? 0 : 1)));
    ASSERT_EQ(imported.notes.size(), prefix.empty() ? 2u : 1u);
  }
  EXPECT_NE(Import(given).notes[1].find("loss_fn.mel.fb"), std::string::npos);
}

TEST_F(PrefixImport, NamesThePrefixThatItSees) {
  EXPECT_NE(Problem(Under("model.", Tensors({{"body.a", 2}, {"body.b", 2}})))
                .find("the names begin with \"model.body.\""),
            std::string::npos);
  EXPECT_NE(Problem(Tensors({{"a.b", 2}, {"c.d", 2}})).find("\"a\" (1), \"c\" (1)"),
            std::string::npos);
  NamedTensors part = Under("net.", model_);
  part.pop_back();
  const std::string problem = Problem(part);
  EXPECT_NE(problem.find("under the prefix \"net.\"; 1 missing: "), std::string::npos) << problem;
  ImportOptions options;
  options.prefix = "nte.";
  EXPECT_NE(Problem(part, options).find("no name begins with \"nte.\""), std::string::npos);
}

}  // namespace state_prefix_test
}  // namespace stemsmith::testing
