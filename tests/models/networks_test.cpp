#include "models/weights/dialects/networks.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace networks_test {

using ::testing::Contains;
using ::testing::HasSubstr;

NamedTensors StateOf(const std::string& name, int stems = 3, int channels = 2) {
  NamedTensors state;
  for (const auto& [key, tensor] : TinyModel(name, Setting(stems, channels))->StateDict())
    state.emplace_back(key, tensor.clone());
  return state;
}

PlannedWeights Found(const NamedTensors& state) {
  const auto found = NetworkOf(state, "x");
  EXPECT_TRUE(found.has_value());
  return found.value_or(PlannedWeights());
}

class NetworkOfTest : public ::testing::TestWithParam<std::string> {};

// Every size that weights say is that of the configuration, resolved.
TEST_P(NetworkOfTest, SeesTheSizesOfAModel) {
  for (const int channels : {1, 2})
    for (const int stems : {1, 3}) {
      if (RowOf(GetParam()).starts_with("scnet") && channels == 1) continue;  // dims say stereo
      const Config config = TinyConfig(GetParam());
      MakeModel(config, Setting(stems, channels));
      const Config resolved = Config::Parse(config.Dump(), "x");
      NamedTensors state = StateOf(GetParam(), stems, channels);
      for (auto& [name, tensor] : state) name.insert(0, "state_dict.module.");
      const PlannedWeights found = Found(state);
      EXPECT_EQ(found.plan.seen.stems, stems);
      for (const auto& [key, value] : found.plan.model.items()) {
        const Config own = resolved.Value(key);
        const std::string text =
            own.IsList() ? nlohmann::json(resolved.Numbers(key)).dump() : own.AsString();
        const std::string seen = value.is_array()
                                     ? nlohmann::json(value.get<std::vector<double>>()).dump()
                                 : value.is_string() ? value.get<std::string>()
                                                     : value.dump();
        EXPECT_EQ(seen, text) << key;
      }
      if (found.plan.seen.channels > 0) EXPECT_EQ(found.plan.seen.channels, channels);
      if (found.plan.seen.planes > 0) EXPECT_EQ(found.plan.seen.planes, 2 * 2 * channels);
    }
}
INSTANTIATE_TEST_SUITE_P(Networks, NetworkOfTest,
                         ::testing::Values("bs_roformer", "mel_band_roformer", "scnet",
                                           "scnet_masked", "mdx23c"));

TEST(Networks, AreNotFoundInOtherWeights) {
  EXPECT_FALSE(NetworkOf({{"encoder.0.weight", torch::ones({2})}}, "x").has_value());
  EXPECT_FALSE(NetworkOf(StateOf("htdemucs"), "x").has_value());
}

TEST(Networks, ThatAreNotHadAreNamed) {
  EXPECT_THAT(MessageOf([] {
                NetworkOf({{"model.net.0.band_net.input_norm.weight", torch::ones({2})}}, "x");
              }),
              HasSubstr("the weights are of an Apollo, which stemsmith does not have (x)"));
}

TEST(Networks, ConstantsAreNoWeights) {
  const PlannedWeights found = Found(StateOf("bs_roformer"));
  for (const auto& [name, tensor] : found.parts[0]) EXPECT_FALSE(IsConstant(name)) << name;
}

TEST(Networks, OfLaterPackagesHaveTheNamesOfTheModel) {
  NamedTensors shifted = StateOf("bs_roformer");
  const NamedTensors plain = Found(shifted).parts[0];
  for (auto& [name, tensor] : shifted)
    if (name.starts_with("layers.")) ++name[name.find('.', 7) + 1];
  const PlannedWeights found = Found(shifted);
  EXPECT_THAT(found.plan.notes, Contains(HasSubstr("later package")));
  ASSERT_EQ(found.parts[0].size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(found.parts[0][i].first, plain[i].first);
}

TEST(Networks, CutOffAreIncomplete) {
  NamedTensors state = StateOf("mel_band_roformer");
  std::erase_if(state, [](const auto& tensor) { return tensor.first.ends_with("to_qkv.weight"); });
  EXPECT_THAT(MessageOf([&] { NetworkOf(state, "x"); }),
              HasSubstr("the weights are incomplete: the tensor "
                        "layers.0.0.layers.0.0.to_qkv.weight is missing (x)"));
}

}  // namespace networks_test
}  // namespace stemsmith::testing
