// Separate() must give the same graph for every batch size and every length of the rule: sizes and
// devices that slip in as constants are found here, before any export.
#include <torch/csrc/jit/passes/shape_analysis.h>

#include <set>
#include <string>

#include "tests/models/tiny_models.h"
#include "tests/models/traced_model.h"

namespace stemsmith::testing {
namespace {

class EveryModelTraced : public ModelTableTest {};
INSTANTIATE_TEST_SUITE_P(Table, EveryModelTraced, AllModels(),
                         [](const auto& info) { return info.param; });

struct Traced {
  std::shared_ptr<torch::jit::Graph> graph;
  std::string text;  // without shapes and source lines
};

Traced Trace(SeparationModel& model, const torch::Tensor& example) {
  const auto graph = TraceSeparate(model, example);
  torch::jit::EraseShapeInformation(graph);
  return {graph, graph->toString(/*print_source_locations=*/false)};
}

TEST_P(EveryModelTraced, TheGraphIsTheSameForEveryBatchSizeAndLength) {
  const auto model = TinyModel(GetParam());
  const std::int64_t shortest = model->length_rule().AtLeast(1000);
  const std::int64_t longer = shortest + 3 * model->length_rule().multiple_frames;
  const Traced reference = Trace(*model, torch::randn({1, 2, shortest}));
  EXPECT_EQ(reference.text, Trace(*model, torch::randn({3, 2, shortest})).text);
  if (model->length_rule().dynamic) {
    EXPECT_EQ(reference.text, Trace(*model, torch::randn({1, 2, longer})).text);
    EXPECT_EQ(reference.text, Trace(*model, torch::randn({2, 2, longer})).text);
  }
  for (const auto* device : {"cpu", "cuda"})
    EXPECT_EQ(reference.text.find(std::string("Device = prim::Constant[value=\"") + device),
              std::string::npos)
        << "a device is baked in";
}

TEST_P(EveryModelTraced, TheGraphGivesTheModelsNumbersAtOtherSizes) {
  torch::NoGradGuard no_grad;
  const auto model = TinyModel(GetParam());
  const LengthRule rule = model->length_rule();
  const std::int64_t shortest = rule.AtLeast(1000);
  const Traced traced = Trace(*model, torch::randn({1, 2, shortest}));
  torch::jit::GraphFunction function("forward", traced.graph, nullptr);
  std::vector<std::int64_t> lengths = {shortest};
  if (rule.dynamic)
    lengths = {rule.AtLeast(1), rule.AtLeast(30), shortest + 2 * rule.multiple_frames,
               rule.AtLeast(20'001)};
  for (const std::int64_t length : lengths) {
    const auto mix = torch::randn({3, 2, length});
    const auto expected = model->Separate(mix);
    const auto result = function({mix}).toTensor();
    ASSERT_EQ(result.sizes(), expected.sizes()) << length;
    EXPECT_LE((result - expected).abs().max().item<double>(),
              1e-6 * expected.abs().max().item<double>())
        << length;
  }
}

TEST_P(EveryModelTraced, ForwardRecordsNoPaddingAtALengthOfTheRule) {
  const auto model = TinyModel(GetParam());
  const auto example = torch::randn({1, 2, model->length_rule().AtLeast(1000)});
  torch::NoGradGuard no_grad;
  EXPECT_TRUE(torch::equal(model->forward(example), model->Separate(example)));
}

// As docs/models.md says of the table.
TEST(ModelTable, TheRuleSaysWhichModelsAreExportedForAnyLength) {
  const std::set<std::string> fixed = {"htdemucs", "scnet", "scnet_masked"};
  for (const ModelRow& row : ModelTable())
    EXPECT_EQ(TinyModel(row.name)->length_rule().dynamic, !fixed.contains(row.name)) << row.name;
}

TEST(Bag, TakesAnyLengthWhereAllItsModelsTakeThoseOfOneRule) {
  const auto rule_of = [](const std::string& models) {
    return MakeModel(Config::Parse("{name: bag, models: [" + models + "]}", "x"), Setting(2))
        ->length_rule();
  };
  const std::string wave = "{name: wave_unet, channels: 4, depth: 3}",
                    deeper = "{name: wave_unet, channels: 4, depth: 4}",
                    demucs = "{name: demucs, channels: 4, depth: 2, norm_groups: 2}",
                    odd = "{name: demucs, channels: 4, depth: 2, norm_groups: 2, kernel_size: 7}";
  const LengthRule one = rule_of(wave + ", " + wave), none = rule_of(wave + ", " + deeper);
  EXPECT_TRUE(one.dynamic);
  EXPECT_EQ(one.multiple_frames, 8);
  EXPECT_FALSE(none.dynamic);
  EXPECT_EQ(none.multiple_frames, 1);
  EXPECT_TRUE(rule_of(demucs + ", " + demucs).dynamic);
  EXPECT_FALSE(rule_of(demucs + ", " + odd).dynamic);
  EXPECT_FALSE(rule_of(odd + ", " + odd).dynamic);
}

}  // namespace
}  // namespace stemsmith::testing
