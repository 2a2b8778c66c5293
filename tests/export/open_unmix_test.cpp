// The options of open_unmix that change its graph, above all the Wiener filter.
#include <gtest/gtest.h>

#include "export/export.h"
#include "separate/runtime.h"
#include "tests/models/tiny_models.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing::open_unmix_export_test {
namespace {

struct Case {
  const char* name;
  const char* options;
  int stems, channels;
};

const Case kCases[] = {
    {"wiener_stereo", "niter: 1", 3, 2},
    {"wiener_mono", "niter: 2", 2, 1},
    {"wiener_in_windows", "niter: 2, wiener_win_len: 32", 3, 2},
    {"wiener_in_a_window", "niter: 1, wiener_win_len: 70", 2, 2},  // longer songs fill two
    {"wiener_on_the_whole", "niter: 1, wiener_win_len: 0", 2, 2},
    {"residual_softmask", "residual: true, softmask: true, niter: 1", 3, 2},
    {"unidirectional", "unidirectional: true", 2, 2},
};

class OpenUnmixExport : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Options, OpenUnmixExport, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST_P(OpenUnmixExport, BothFilesGiveTheModelsResultAtOtherSizes) {
  const Case& test = GetParam();
  const Config config = Config::Parse(
      "{name: open_unmix, n_fft: 256, hop: 64, hidden_size: 16, " + std::string(test.options) + "}",
      test.name);
  torch::manual_seed(5);
  Checkpoint checkpoint;
  checkpoint.setting = Setting(test.stems, test.channels);
  const auto model = MakeModel(config, checkpoint.setting);
  model->eval();
  checkpoint.model_config = config.Dump();
  checkpoint.segment_frames = 4001;
  checkpoint.weights = model->StateDict();

  TemporaryFolder folder;
  ExportOptions quiet;
  quiet.out = folder / "out";
  const ExportResult result = ExportCheckpoint(checkpoint, test.name, quiet);
  EXPECT_EQ(result.manifest.segment_frames, 4001);
  const torch::NoGradGuard no_grad;
  for (const ExportedFile& file : result.files) {
    const auto runtime = Runtime::Open(file.path, {.device = "cpu"});
    for (const std::int64_t frames : {129, 3333, 6000}) {
      const torch::Tensor mix = torch::randn({2, test.channels, frames});
      const torch::Tensor expected = model->forward(mix);
      torch::Tensor actual = torch::full_like(expected, NAN).contiguous();
      runtime->Run(mix.const_data_ptr<float>(), 2, frames, actual.mutable_data_ptr<float>());
      EXPECT_LE((actual - expected).abs().max().item<double>(),
                2e-5 * expected.abs().max().item<double>())
          << file.path << " at " << frames;
    }
  }
}

}  // namespace
}  // namespace stemsmith::testing::open_unmix_export_test
