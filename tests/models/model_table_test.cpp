// What every model of the table promises.
#include <set>

#include "core/error.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace {

class EveryModel : public ModelTableTest {};
INSTANTIATE_TEST_SUITE_P(Table, EveryModel, AllModels(),
                         [](const auto& info) { return info.param; });

TEST_P(EveryModel, GivesEveryStemAtTheLengthOfTheMix) {
  torch::NoGradGuard no_grad;
  const auto model = TinyModel(GetParam());
  for (const std::int64_t frames : {1, 2, 777, 10007})
    for (const std::int64_t batch : {1, 3}) {
      const auto estimates = model->forward(torch::randn({batch, 2, frames}));
      EXPECT_EQ(estimates.sizes(), (torch::IntArrayRef{batch, 3, 2, frames}));
      EXPECT_TRUE(estimates.isfinite().all().item<bool>());
    }
}

TEST_P(EveryModel, GivesTheStemsThatItIsToldTo) {
  torch::NoGradGuard no_grad;
  const auto model = TinyModel(GetParam());
  const auto mix = torch::randn({2, 2, 3001});
  const auto all = model->forward(mix);
  model->UseStems({2, 0});
  EXPECT_TRUE(
      torch::equal(model->forward(mix), torch::stack({all.select(1, 2), all.select(1, 0)}, 1)));
  EXPECT_THROW(model->UseStems({3}), Error);
  model->UseStems({});
  EXPECT_TRUE(torch::equal(model->forward(mix), all));
}

TEST_P(EveryModel, TakesAnyNumberOfStemsAndChannels) {
  torch::NoGradGuard no_grad;
  for (const int stems : {1, 2, 5})
    for (const int channels : {1, 2, 3}) {
      const auto model = TinyModel(GetParam(), Setting(stems, channels));
      const auto estimates = model->forward(torch::randn({2, channels, 3001}));
      EXPECT_EQ(estimates.sizes(), (torch::IntArrayRef{2, stems, channels, 3001}));
    }
}

TEST_P(EveryModel, StaysFiniteOnSilenceAndOnFullScale) {
  torch::NoGradGuard no_grad;
  const auto model = TinyModel(GetParam());
  EXPECT_TRUE(model->forward(torch::zeros({1, 2, 5000})).isfinite().all().item<bool>());
  EXPECT_TRUE(model->forward(torch::ones({1, 2, 5000})).isfinite().all().item<bool>());
}

TEST_P(EveryModel, SameSeedGivesTheSameModelAndTheSameEstimates) {
  torch::NoGradGuard no_grad;
  const auto mix = torch::randn({2, 2, 4001});
  const auto first = TinyModel(GetParam()), second = TinyModel(GetParam());
  EXPECT_TRUE(torch::equal(first->forward(mix), second->forward(mix)));
  EXPECT_TRUE(torch::equal(first->forward(mix), first->forward(mix)));
}

TEST_P(EveryModel, ItemsOfABatchDoNotTouchEachOther) {
  torch::NoGradGuard no_grad;
  const auto model = TinyModel(GetParam());
  const auto mix = torch::randn({3, 2, 4001});
  const auto together = model->forward(mix);
  const double peak = together.abs().max().item<double>();
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto alone = model->forward(mix.slice(0, i, i + 1));
    EXPECT_LE((alone[0] - together[i]).abs().max().item<double>(), 1e-5 * peak);
  }
}

TEST_P(EveryModel, AGradientReachesEveryParameter) {
  for (const int stems : {1, 3}) {
    const auto model = TinyModel(GetParam(), Setting(stems));
    model->train();
    const auto estimates = model->forward(torch::randn({3, 2, 9001}));
    (estimates * torch::randn_like(estimates)).sum().backward();
    for (const auto& item : model->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
    }
  }
}

TEST_P(EveryModel, LengthRuleGivesTheNextLengthAndSeparateTakesIt) {
  torch::NoGradGuard no_grad;
  const auto model = TinyModel(GetParam());
  const LengthRule rule = model->length_rule();
  EXPECT_GE(rule.offset_frames, 0);
  ASSERT_GE(rule.multiple_frames, 1);
  for (std::int64_t frames = 1; frames < 3 * rule.multiple_frames; frames += 37) {
    const std::int64_t valid = model->length_rule().AtLeast(frames);
    ASSERT_GE(valid, frames);
    ASSERT_EQ((valid - rule.offset_frames) % rule.multiple_frames, 0);
    // Nothing shorter would do.
    ASSERT_TRUE(valid == rule.offset_frames || valid - rule.multiple_frames < frames);
    ASSERT_EQ(model->length_rule().AtLeast(valid), valid);
  }
  for (int k = 0; k < 3; ++k) {
    const std::int64_t frames = model->length_rule().AtLeast(1) + k * rule.multiple_frames;
    EXPECT_EQ(model->Separate(torch::randn({1, 2, frames})).size(-1), frames);
  }
}

TEST_P(EveryModel, NamesOfTheStateAreUniqueAndHoldNoTransientBuffers) {
  const auto model = TinyModel(GetParam());
  std::set<std::string> names;
  for (const auto& [name, tensor] : model->StateDict()) {
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find("transient"), std::string::npos) << name;
  }
  for (const auto& item : model->named_parameters()) EXPECT_EQ(names.count(item.key()), 1u);
}

TEST_P(EveryModel, LoadStateDictSaysWhatDoesNotFit) {
  const auto model = TinyModel(GetParam());
  auto state = model->StateDict();
  const std::string lost = state.front().first;
  state.front().first = "stranger";
  state.back().second = torch::zeros({7, 7, 7});
  const std::string text = MessageOf([&] { model->LoadStateDict(state, "file.safetensors"); });
  EXPECT_NE(text.find("1 missing: " + lost), std::string::npos) << text;
  EXPECT_NE(text.find("1 unexpected: stranger"), std::string::npos) << text;
  EXPECT_NE(text.find("1 of another shape: " + state.back().first), std::string::npos) << text;
  EXPECT_NE(text.find("file.safetensors"), std::string::npos) << text;
}

TEST_P(EveryModel, AnUnknownOptionIsAnErrorThatNamesTheNearest) {
  const Config tiny = TinyConfig(GetParam());
  MakeModel(tiny, Setting());
  // Dump() fills in the defaults that were asked for.
  std::string option;
  for (const std::string& key : Config::Parse(tiny.Dump(), "defaults").Keys())
    if (key != "name" && key.size() > option.size()) option = key;
  const std::string misspelt = option.substr(0, 1) + option.substr(2);
  const auto config = Config::Parse(misspelt + ": 4\n" + tiny.Dump(), "m.yaml");
  const std::string text = MessageOf([&] { MakeModel(config, Setting()); }, ExitCode::kWrongUse);
  EXPECT_NE(text.find("m.yaml:1"), std::string::npos) << text;
  EXPECT_NE(text.find("'" + option + "'"), std::string::npos) << text;
}

// The file under configs/models/ names every option with the default that the code has.
TEST_P(EveryModel, ItsConfigurationFileDocumentsEveryDefault) {
  const auto path = std::filesystem::path(STEMSMITH_SOURCE_DIR) / "configs/models" /
                    (RowOf(GetParam()) + ".yaml");
  const Config documented = Config::Load(path).Child("model");
  const Config bare = Config::Parse("name: " + RowOf(GetParam()), "bare");
  MakeModel(documented, Setting(4));
  MakeModel(bare, Setting(4));
  // Dump() fills in the defaults that were asked for.
  const Config defaults = Config::Parse(bare.Dump(), "defaults");
  for (const std::string& key : defaults.Keys()) {
    ASSERT_TRUE(documented.Has(key)) << path << " lacks " << key;
    if (defaults.Value(key).IsList()) {
      EXPECT_EQ(defaults.Value(key).Dump(), documented.Value(key).Dump()) << key;
      continue;
    }
    const auto text = defaults.String(key, ""), given = documented.String(key, "");
    char *end = nullptr, *given_end = nullptr;
    const double number = std::strtod(text.c_str(), &end),
                 other = std::strtod(given.c_str(), &given_end);
    if (!text.empty() && *end == 0 && *given_end == 0) {
      EXPECT_EQ(number, other) << key;
    } else {
      EXPECT_EQ(text, given) << key;
    }
  }
}

TEST(ModelTable, AnUnknownNameIsAnErrorThatNamesTheNearest) {
  const std::string text =
      MessageOf([] { MakeModel(Config::Parse("name: demucs_v3", "m.yaml"), Setting()); },
                ExitCode::kWrongUse);
  EXPECT_NE(text.find("'demucs_v2'"), std::string::npos) << text;
  EXPECT_NE(text.find("m.yaml:1"), std::string::npos) << text;
}

TEST(ModelTable, AModelWithoutStemsIsAnError) {
  EXPECT_THROW(MakeModel(TinyConfig("unet"), Setting(0)), Error);
  EXPECT_THROW(MakeModel(TinyConfig("unet"), Setting(2, 0)), Error);
}

}  // namespace
}  // namespace stemsmith::testing
