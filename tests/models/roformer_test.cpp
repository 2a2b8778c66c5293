// What bs_roformer and mel_band_roformer promise beyond what all models do.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "models/layers/autocast.h"
#include "models/layers/bands.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace {

// The tiny version of a row with other options.
Config With(const std::string& row, const std::vector<std::string>& overrides) {
  return Config::Load(
      std::filesystem::path(STEMSMITH_SOURCE_DIR) / "tests/models/tiny" / (row + ".yaml"),
      overrides);
}

std::shared_ptr<SeparationModel> Model(const std::string& row,
                                       const std::vector<std::string>& overrides) {
  torch::manual_seed(11);
  auto model = MakeModel(With(row, overrides), Setting());
  model->eval();
  return model;
}

const std::vector<std::string> kRows = {"bs_roformer", "mel_band_roformer"};

TEST(MelBands, LieWhereTheOriginalHasThem) {
  const Bands bands = MelBands(44100, 2048, 60);
  std::vector<std::int64_t> widths;
  for (const Band& band : bands) widths.push_back(band.bins);
  std::vector<std::int64_t> expected = {7};
  expected.insert(expected.end(), 14, 6);
  for (const int width : {7, 7, 7, 9, 9, 9, 10, 10, 11, 13, 13, 13, 15, 16, 17, 19, 20, 20, 22, 24,
                          26, 28, 29, 31, 33, 36, 39, 41, 44, 47, 50, 54, 57, 61, 66, 71, 76, 80,
                          86, 93, 99, 105, 113, 122, 130})
    expected.push_back(width);
  EXPECT_EQ(widths, expected);
  EXPECT_EQ(bands.back().first + bands.back().bins, 1025);
}

// Of librosa 0.11.0's filters above zero: the sum of all widths, and of first bins by place.
TEST(MelBands, AreLibrosasAtManySettings) {
  struct Case {
    std::int64_t rate, n_fft, count, widths, firsts;
  };
  for (const Case& c : std::vector<Case>{{44100, 2048, 60, 1979, 629155},
                                         {44100, 4096, 60, 3957, 1257310},
                                         {44100, 1024, 30, 959, 72891},
                                         {44100, 512, 20, 465, 15074},
                                         {44100, 8192, 60, 7913, 2513858},
                                         {44100, 2048, 30, 1916, 145564},
                                         {44100, 2048, 80, 1996, 1140469},
                                         {44100, 4096, 128, 4030, 5967420},
                                         {44100, 3000, 47, 2872, 553234},
                                         {48000, 2048, 60, 1978, 618881},
                                         {22050, 2048, 60, 1987, 724172},
                                         {8000, 256, 12, 230, 3946}}) {
    const Bands bands = MelBands(c.rate, c.n_fft, c.count);
    ASSERT_EQ(static_cast<std::int64_t>(bands.size()), c.count);
    std::int64_t widths = 0, firsts = 0, place = 0;
    for (const auto& [first, bins] : bands) {
      widths += bins;
      firsts += first * ++place;
    }
    EXPECT_EQ(widths, c.widths) << c.n_fft << " " << c.count;
    EXPECT_EQ(firsts, c.firsts) << c.n_fft << " " << c.count;
  }
}

TEST(Roformer, HeadsOfStemsThatAreNotWantedDoNotRun) {
  torch::NoGradGuard no_grad;
  const auto mix = torch::randn({2, 2, 3000});
  for (const std::string& row : kRows) {
    const auto model = TinyModel(row);
    const auto all = model->forward(mix);
    for (auto& item : model->named_parameters())
      if (item.key().find("mask_estimators.1.") == 0) item.value().fill_(NAN);
    model->UseStems({2, 0});
    const auto some = model->forward(mix);
    ASSERT_EQ(some.sizes(), (torch::IntArrayRef{2, 2, 2, 3000}));
    EXPECT_TRUE(torch::equal(some, torch::stack({all.select(1, 2), all.select(1, 0)}, 1)));
    model->UseStems({});
    EXPECT_EQ(model->forward(mix).size(1), 3);
  }
}

// Groups of bands and frames, which are there without gradients only, are independent.
TEST(Roformer, GroupsGiveWhatTheWholeGives) {
  struct Case {
    int depth;
    std::int64_t groups;
  };
  for (const std::string& row : kRows) {
    for (const auto& [depth, groups] : {Case{1, 8}, {6, 8}, {8, 6}, {24, 2}, {60, 2}}) {
      const auto model =
          Model(row, {"depth=" + std::to_string(depth), "time_transformer_depth=1",
                      "freq_transformer_depth=1", "stft_hop_length=32", "stft_n_fft=128",
                      "stft_win_length=128", "dim=8"});
      EXPECT_EQ(model->length_rule().offset_frames, std::max<std::int64_t>(65, groups * 32));
      const auto mix = torch::randn({1, 2, 32 * 21});
      const auto whole = model->forward(mix);
      torch::NoGradGuard no_grad;
      const auto in_groups = model->forward(mix);
      EXPECT_LT((whole - in_groups).abs().max().item<float>(),
                2e-6 * whole.abs().max().item<float>())
          << row << " " << depth;
    }
  }
}

TEST(Roformer, WindowsThatOverlapByHalfTakeAnyLength) {
  torch::NoGradGuard no_grad;
  const auto model = Model("mel_band_roformer", {"stft_n_fft=2048", "stft_win_length=2048",
                                                 "stft_hop_length=1024", "num_bands=30"});
  for (const std::int64_t frames : {5, 4096, 5119, 5120})
    EXPECT_TRUE(model->forward(torch::randn({1, 2, frames})).isfinite().all().item<bool>());
}

TEST(Roformer, SilenceStaysExactlySilent) {
  torch::NoGradGuard no_grad;
  for (const std::string& row : kRows) {
    const auto model = TinyModel(row);
    EXPECT_EQ(model->forward(torch::zeros({1, 2, 3000})).count_nonzero().item<std::int64_t>(), 0);
    auto mix = torch::zeros({1, 2, 3000});
    mix.slice(2, 0, 1000).normal_();
    const auto estimates = model->forward(mix);
    EXPECT_GT(estimates.slice(3, 0, 1000).abs().max().item<double>(), 0);
    EXPECT_EQ(estimates.slice(3, 1200).count_nonzero().item<std::int64_t>(), 0);
  }
}

TEST(Roformer, CheckpointsChangeNoGradient) {
  const auto mix = torch::randn({2, 2, 2000});
  const std::vector<std::vector<std::string>> variants = {
      {"linear_transformer_depth=1", "skip_connection=true"},
      {"value_residual=true"},
      {"use_pope=true", "value_residual=true"}};
  for (const auto& options : variants)
    for (const std::string& row : kRows) {
      std::vector<std::vector<torch::Tensor>> gradients;
      for (const bool on : {false, true}) {
        const auto model = Model(row, options);
        model->train();
        model->UseCheckpoints(on);
        model->forward(mix).square().sum().backward();
        gradients.emplace_back();
        for (const auto& parameter : model->parameters())
          gradients.back().push_back(parameter.grad());
      }
      for (std::size_t i = 0; i < gradients[0].size(); ++i)
        EXPECT_LE((gradients[0][i] - gradients[1][i]).abs().max().item<double>(),
                  1e-5 * gradients[0][i].abs().max().item<double>());
    }
}

TEST(Roformer, PositionsAreSharedAndRotaryOnesAreNotTrained) {
  for (const bool pope : {false, true}) {
    const auto model = Model("bs_roformer", {pope ? "use_pope=true" : "use_pope=false"});
    std::int64_t trained = 0, named = 0;
    for (const auto& item : model->named_parameters())
      trained += item.key().find("_embed.") != std::string::npos ? 1 : 0;
    std::vector<const void*> memory;
    for (const auto& [name, tensor] : model->StateDict())
      if (name.find("_embed.") != std::string::npos) {
        ++named;
        memory.push_back(tensor.data_ptr());
      }
    std::sort(memory.begin(), memory.end());
    const auto different = std::unique(memory.begin(), memory.end()) - memory.begin();
    EXPECT_EQ(trained, pope ? 2 : 0);   // one for each axis
    EXPECT_EQ(named, pope ? 8 : 4);     // two blocks of two transformers
    EXPECT_EQ(different, pope ? 4 : 2);
  }
}

TEST(Roformer, TakesLongSequencesInBfloat16) {
  torch::NoGradGuard no_grad;
  // Angles of late positions and norms of loud frames need all bits.
  for (const std::string& row : kRows) {
    const auto model = TinyModel(row);
    const auto mix = torch::randn({1, 2, 60000});
    const auto exact = model->forward(mix);
    const AutocastScope scope(torch::kCPU, torch::kBFloat16);
    const auto rounded = model->forward(mix);
    const auto late = [](const torch::Tensor& x) { return x.slice(3, 50000); };
    EXPECT_LE((late(rounded) - late(exact)).norm().item<double>(),
              0.03 * late(exact).norm().item<double>());
  }
}

TEST(Roformer, OptionsThatContradictAreErrors) {
  const auto expect = [](const std::string& row, const std::string& option,
                         const std::string& part) {
    const std::string text =
        MessageOf([&] { MakeModel(With(row, {option}), Setting()); }, ExitCode::kWrongUse);
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect("bs_roformer", "freqs_per_bands=[4, 4, 8]", "16 bins");
  expect("bs_roformer", "dim_head=5", "dim_head is odd");
  expect("bs_roformer", "stft_hop_length=65", "half of stft_win_length");
  expect("bs_roformer", "stft_win_length=256", "stft_n_fft");
  expect("bs_roformer", "num_stems=53", "num_stems is 53");
  expect("mel_band_roformer", "stereo=false", "stereo is false");
  expect("mel_band_roformer", "num_bands=60", "too many bands");
  expect("mel_band_roformer", "sample_rate=48000", "sample_rate is 48000");
}

}  // namespace
}  // namespace stemsmith::testing
