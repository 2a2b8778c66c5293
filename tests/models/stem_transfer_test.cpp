#include "models/stem_transfer.h"

#include <map>

#include "models/state_fit.h"
#include "tests/models/tiny_models.h"

namespace stemsmith::testing {
namespace stem_transfer {

class EveryModelMoved : public ModelTableTest {
 protected:
  std::shared_ptr<SeparationModel> Build(const std::vector<std::string>& stems, int seed) const {
    torch::manual_seed(seed);
    ModelSetting setting;
    setting.stems = stems;
    auto model = MakeModel(TinyConfig(GetParam()), setting);
    // Statistics of batches must travel too.
    model->train();
    torch::NoGradGuard no_grad;
    model->forward(torch::randn({2, 2, 9001}));
    model->eval();
    return model;
  }

  // `to` with the weights of `from`, which fit.
  void Move(const SeparationModel& from, const StemSources& sources, SeparationModel& to) const {
    const Config config = TinyConfig(GetParam());
    to.LoadStateDict(MoveStems(from.StateDict(), from.setting().stems, sources, config, to),
                     "moved");
  }

  static void ExpectSame(const SeparationModel& a, const SeparationModel& b) {
    const auto left = a.StateDict(), right = b.StateDict();
    ASSERT_EQ(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      EXPECT_EQ(left[i].first, right[i].first);
      EXPECT_TRUE(torch::equal(left[i].second, right[i].second)) << left[i].first;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Table, EveryModelMoved, AllModels(),
                         [](const auto& info) { return info.param; });

TEST_P(EveryModelMoved, PermutedStemsGivePermutedEstimates) {
  const auto model = Build({"a", "b", "c"}, 1), moved = Build({"c", "a", "b"}, 2);
  Move(*model, {2, 0, 1}, *moved);
  torch::NoGradGuard no_grad;
  const auto mix = torch::randn({2, 2, 5003});
  const auto wanted = model->forward(mix).index_select(1, torch::tensor({2, 0, 1}));
  const auto estimates = moved->forward(mix);
  if (GetParam() == "unet" || GetParam() == "scnet_masked") {
    // A softmax, or a convolution, over all stems adds them up in another order.
    EXPECT_LE((estimates - wanted).abs().max().item<double>(),
              1e-6 * wanted.abs().max().item<double>());
  } else {
    EXPECT_TRUE(torch::equal(estimates, wanted));
  }
}

TEST_P(EveryModelMoved, StemsComeBackFromAModelOfMoreStems) {
  const auto model = Build({"a", "b", "c"}, 1), more = Build({"c", "new", "a", "old b", "x"}, 2);
  Move(*model, {2, -1, 0, 1, -1}, *more);
  const auto back = Build({"a", "b", "c"}, 3);
  Move(*more, {2, 3, 0}, *back);
  ExpectSame(*back, *model);
}

TEST_P(EveryModelMoved, NewStemsStayAsInitialised) {
  const auto model = Build({"a", "b"}, 1), fresh = Build({"new", "b"}, 2),
             moved = Build({"new", "b"}, 2);
  Move(*model, {-1, 1}, *moved);
  // Put the new stem of both into models that are otherwise alike.
  const auto left = Build({"new", "b"}, 3), right = Build({"new", "b"}, 3);
  Move(*fresh, {0, -1}, *left);
  Move(*moved, {0, -1}, *right);
  // What all stems share is the old model's in `moved`, so compare what is the new stem's alone.
  Move(*model, {-1, 1}, *left);
  Move(*model, {-1, 1}, *right);
  ExpectSame(*left, *right);
}

TEST_P(EveryModelMoved, OneStemCanStartSeveral) {
  const auto model = Build({"a", "b"}, 1), moved = Build({"a", "p", "q"}, 2);
  Move(*model, {0, 1, 1}, *moved);
  torch::NoGradGuard no_grad;
  const auto estimates = moved->forward(torch::randn({1, 2, 5003}));
  EXPECT_TRUE(torch::equal(estimates.select(1, 1), estimates.select(1, 2)));
  EXPECT_FALSE(torch::equal(estimates.select(1, 0), estimates.select(1, 1)));
}

TEST_P(EveryModelMoved, WeightsOfAnotherNumberOfStemsAreNamed) {
  const auto model = Build({"a", "b"}, 1), moved = Build({"a", "b", "c"}, 2);
  // They are of two stems, not of the four that are claimed.
  const auto given = MoveStems(model->StateDict(), {"a", "b", "d", "e"}, {0, 1, -1},
                               TinyConfig(GetParam()), *moved);
  const StateFit fit = CompareStates(given, moved->StateDict());
  // Networks of a stem's own are there or not; they have no shape that could differ.
  EXPECT_EQ(fit.misshapen.empty(), RowOf(GetParam()) == "open_unmix") << fit.Text();
}

TEST(StemTransfer, TheRestOfOpenUnmixHasNoTensors) {
  const Config config = Config::Parse(
      "{name: open_unmix, n_fft: 256, hop: 64, hidden_size: 16, nb_layers: 2, residual: true}",
      "m.yaml");
  ModelSetting setting;
  setting.stems = {"a", "b", "rest"};
  const auto model = MakeModel(config, setting);
  setting.stems = {"rest", "b", "a"};  // now a is what the others leave
  const auto moved = MakeModel(config, setting);
  const auto before = moved->StateDict().front().second.clone();  // of rest
  moved->LoadStateDict(MoveStems(model->StateDict(), {"a", "b", "rest"}, {2, 1, 0}, config, *moved),
                       "moved");
  const auto old_state = model->StateDict(), new_state = moved->StateDict();
  const std::map<std::string, torch::Tensor> from(old_state.begin(), old_state.end());
  for (const auto& [name, tensor] : new_state)
    if (name.find(".b.") != std::string::npos) {
      EXPECT_TRUE(torch::equal(tensor, from.at(name))) << name;
    }
  EXPECT_TRUE(torch::equal(new_state.front().second, before));
}

TEST(StemTransfer, WeightsOfABagFollowTheirStems) {
  const Config bag = Config::Parse(
      "{name: bag, models: [{name: unet}, {name: unet}], weights: [[1, 0], [0.5, 2]]}", "m.yaml");
  const Config moved = ModelForStems(bag, {1, -1, 0});
  std::vector<std::vector<double>> rows;
  for (const Config& row : moved.List("weights")) {
    rows.emplace_back();
    for (const Config& item : row.Items()) rows.back().push_back(std::stod(item.AsString()));
  }
  EXPECT_EQ(rows, (std::vector<std::vector<double>>{{0, 1, 1}, {2, 1, 0.5}}));
}

}  // namespace stem_transfer
}  // namespace stemsmith::testing
