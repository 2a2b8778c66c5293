#include "export/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <algorithm>
#include <iostream>

#include "core/error.h"
#include "core/files.h"
#include "export/weight_precision.h"
#include "models/manifest_for.h"
#include "separate/manifest.h"
#include "separate/onnx_part.h"
#include "separate/runtime.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"
#include "tests/support/openvino.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Table, ModelTableTest, AllModels(),
                         [](const auto& info) { return info.param; });

Checkpoint TinyCheckpoint(const std::string& name, std::int64_t segment_frames = 9000) {
  Checkpoint checkpoint;
  const auto model = TinyModel(name);
  checkpoint.model_config = TinyConfig(name).Dump();
  checkpoint.setting = model->setting();
  checkpoint.segment_frames = segment_frames;
  checkpoint.weights = model->StateDict();
  checkpoint.training_state = {
      {"step", 12}, {"seconds", 3.5}, {"best", {{"step", 8}}}, {"config", "…"}};
  return checkpoint;
}

ExportOptions Quiet(const TemporaryFolder& folder) {
  ExportOptions options;
  options.out = folder / "out";
  return options;
}

bool IsEmpty(const std::filesystem::path& folder) {
  return !std::filesystem::exists(folder) || std::filesystem::is_empty(folder);
}

TEST_P(ModelTableTest, BothFilesGiveTheModelsResultAtOtherSizes) {
  TemporaryFolder folder;
  const Checkpoint checkpoint = TinyCheckpoint(GetParam());
  const ExportResult result = ExportCheckpoint(checkpoint, "tiny", Quiet(folder));
  ASSERT_EQ(result.files.size(), 2u);
  const auto model = ModelFromCheckpoint(checkpoint);
  const torch::NoGradGuard no_grad;
  for (const ExportedFile& file : result.files) {
    // unet_variant divides by the mixture's magnitudes, which enlarges rounding where these are
    // near 0 and its fresh weights do not follow them there.
    const double allowed = GetParam() == std::string("unet_variant") ? 2e-5 : 1e-5;
    EXPECT_LE(file.largest_error, file.format == "onnx" ? allowed : 1e-6) << file.path;
    std::vector<Engine> engines = {Engine::kTorchScript};
    if (file.format == "onnx") engines = {Engine::kOnnxRuntime, Engine::kOpenVino};
    for (const Engine engine : engines) {
      if (engine == Engine::kOpenVino && openvino::Find().api == nullptr) {
        std::cout << "[  NOTICE  ] not in OpenVINO: " << openvino::Find().problem << "\n";
        continue;
      }
      auto runtime = Runtime::Open(file.path, {.device = "cpu", .threads = 2, .engine = engine});
      const Manifest manifest = runtime->manifest();
      EXPECT_EQ(manifest.ToJson(), result.manifest.ToJson());
      std::int64_t frames = manifest.segment_frames;
      if (manifest.length.dynamic) frames += 2 * manifest.length.multiple_frames;
      const torch::Tensor mix = torch::randn({4, 2, frames});
      const torch::Tensor expected = model->forward(mix);
      torch::Tensor actual = torch::full_like(expected, NAN).contiguous();
      const auto run = [&] {
        runtime->Run(mix.const_data_ptr<float>(), 4, frames, actual.mutable_data_ptr<float>());
        return actual.clone();
      };
      EXPECT_LE((run() - expected).abs().max().item<double>(),
                1e-5 * expected.abs().max().item<double>())
          << file.path << ", " << NameOf(engine);
      const torch::Tensor again = run();
      EXPECT_TRUE(torch::equal(run(), again)) << NameOf(engine);
      // Opened from what is compiled now, and from what was kept.
      for (int i = 0; i < 2; ++i) {
        runtime = Runtime::Open(file.path, {.device = "cpu",
                                            .threads = 2,
                                            .engine = engine,
                                            .cache_folder = folder / "compiled"});
        EXPECT_TRUE(torch::equal(run(), again)) << NameOf(engine);
      }
    }
  }
}

// Of the bag, whose graph ends with one part per stem.
TEST(Export, BothFilesGiveWantedStemsAsAmongAll) {
  TemporaryFolder folder;
  Checkpoint checkpoint = TinyCheckpoint("unet");
  const std::vector<std::string>& stems = checkpoint.setting.stems;
  std::string models, weights;
  for (std::size_t s = 0; s < stems.size(); ++s) {
    models += "{name: wave_unet, channels: 4, depth: 3}, ";
    weights += "[";
    for (std::size_t k = 0; k < stems.size(); ++k) weights += s == k ? "2, " : "0, ";
    weights += "], ";
  }
  const Config config =
      Config::Parse("{name: bag, models: [" + models + "], weights: [" + weights + "]}", "bag");
  const auto model = MakeModel(config, checkpoint.setting);
  checkpoint.model_config = config.Dump();
  checkpoint.weights = model->StateDict();
  const ExportResult result = ExportCheckpoint(checkpoint, "tiny", Quiet(folder));

  const std::vector<std::string> wanted = {stems.back()};
  const std::int64_t frames = result.manifest.segment_frames;
  const torch::Tensor mix = torch::randn({1, 2, frames});
  const auto last_of = [&](const std::unique_ptr<Runtime>& runtime) {
    const auto count = static_cast<std::int64_t>(runtime->stems().size());
    torch::Tensor out = torch::empty({1, count, 2, frames});
    runtime->Run(mix.const_data_ptr<float>(), 1, frames, out.mutable_data_ptr<float>());
    return out.select(1, count - 1).contiguous();
  };
  for (const ExportedFile& file : result.files) {
    const auto all = Runtime::Open(file.path, {.device = "cpu"});
    const auto some =
        Runtime::Open(file.path, {.device = "cpu", .wanted = [&](const auto&) { return wanted; }});
    EXPECT_EQ(some->stems(), wanted) << file.path;
    EXPECT_EQ(some->info().stems, stems);
    EXPECT_TRUE(torch::equal(last_of(some), last_of(all))) << file.path;
  }
  // One model of all is left.
  EXPECT_LT(ReadOnnxPart(result.files[1].path, {{stems[1]}, {1}}).size(),
            2 * result.files[1].bytes / (stems.size() + 1));
}

TEST_P(ModelTableTest, FilesOfSomeStemsGiveThemAsAmongAll) {
  TemporaryFolder folder;
  const Checkpoint checkpoint = TinyCheckpoint(GetParam());
  const std::vector<std::string>& stems = checkpoint.setting.stems;
  ExportOptions options = Quiet(folder);
  options.stems = {stems[2], stems[0]};
  const ExportResult result = ExportCheckpoint(checkpoint, "tiny", options);
  EXPECT_EQ(result.manifest.stems, (std::vector<std::string>{stems[0], stems[2]}));
  const torch::NoGradGuard no_grad;
  const std::int64_t frames = result.manifest.segment_frames;
  const torch::Tensor mix = torch::randn({1, 2, frames});
  const torch::Tensor all = ModelFromCheckpoint(checkpoint)->forward(mix);
  const torch::Tensor expected = torch::stack({all.select(1, 0), all.select(1, 2)}, 1);
  for (const ExportedFile& file : result.files) {
    const auto runtime = Runtime::Open(file.path, {.device = "cpu"});
    EXPECT_EQ(runtime->stems(), result.manifest.stems);
    torch::Tensor actual = torch::empty({1, 2, 2, frames});
    runtime->Run(mix.const_data_ptr<float>(), 1, frames, actual.mutable_data_ptr<float>());
    EXPECT_LE((actual - expected).abs().max().item<double>(),
              2e-5 * all.abs().max().item<double>());
  }
}

TEST(Export, RefusesStemsThatTheModelDoesNotHave) {
  TemporaryFolder folder;
  ExportOptions options = Quiet(folder);
  options.stems = {"vocals"};
  EXPECT_THAT(MessageOf([&] { ExportCheckpoint(TinyCheckpoint("unet"), "tiny", options); }),
              ::testing::HasSubstr("the model has no stem 'vocals' (--stems); known: stem0"));
  EXPECT_TRUE(IsEmpty(folder / "out"));
}

// Norms of RoFormers blow up any noise to full scale.
class RoformerExport : public ::testing::TestWithParam<const char*> {};

TEST_P(RoformerExport, SilenceStaysSilenceBehindNoise) {
  TemporaryFolder folder;
  const ExportResult result = ExportCheckpoint(TinyCheckpoint(GetParam()), "tiny", Quiet(folder));
  const std::int64_t frames = result.manifest.segment_frames;
  const auto stems = static_cast<std::int64_t>(result.manifest.stems.size());
  torch::Tensor mix = torch::randn({1, 2, frames});
  mix.slice(2, frames / 3).zero_();
  for (const ExportedFile& file : result.files) {
    std::vector<Engine> engines = {Engine::kTorchScript};
    if (file.format == "onnx") engines = {Engine::kOnnxRuntime, Engine::kOpenVino};
    for (const Engine engine : engines) {
      if (engine == Engine::kOpenVino && openvino::Find().api == nullptr) continue;
      const auto runtime = Runtime::Open(file.path, {.device = "cpu", .engine = engine});
      torch::Tensor out = torch::empty({1, stems, 2, frames});
      for (const torch::Tensor& input : {mix, torch::zeros_like(mix)}) {
        runtime->Run(input.const_data_ptr<float>(), 1, frames, out.mutable_data_ptr<float>());
        const std::int64_t from = input.count_nonzero().item<std::int64_t>() > 0 ? frames / 2 : 0;
        EXPECT_EQ(out.slice(3, from).abs().max().item<float>(), 0) << NameOf(engine);
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Models, RoformerExport,
                         ::testing::Values("bs_roformer", "mel_band_roformer"));

class RoformerOptionsExport : public ::testing::TestWithParam<const char*> {};

TEST_P(RoformerOptionsExport, GivesTheModelsResult) {
  TemporaryFolder folder;
  Checkpoint checkpoint = TinyCheckpoint("mel_band_roformer", 4000);
  const Config config = Config::Parse(
      "{name: mel_band_roformer, dim: 8, depth: 2, time_transformer_depth: 1, "
      "freq_transformer_depth: 1, num_bands: 6, dim_head: 4, heads: 2, attn_dropout: 0, "
      "ff_dropout: 0, stft_n_fft: 128, stft_win_length: 128, " +
          std::string(GetParam()) + "}",
      "test");
  torch::manual_seed(3);
  checkpoint.model_config = config.Dump();
  checkpoint.weights = MakeModel(config, checkpoint.setting)->StateDict();
  for (const ExportedFile& file : ExportCheckpoint(checkpoint, "tiny", Quiet(folder)).files)
    EXPECT_LE(file.largest_error, 1e-5) << file.path;
}
INSTANTIATE_TEST_SUITE_P(Options, RoformerOptionsExport,
                         ::testing::Values("stft_hop_length: 27", "stft_hop_length: 32, use_pope: true",
                                           "stft_hop_length: 32, value_residual: true",
                                           "stft_hop_length: 32, linear_transformer_depth: 1",
                                           "stft_hop_length: 32, skip_connection: true, stft_normalized: true"));

// A traced convolution carries the exporter's settings of cuDNN, among them TF32, whatever the
// program that runs the file asks for.
TEST_P(ModelTableTest, TorchScriptCarriesNoSettingsOfCudnn) {
  TemporaryFolder folder;
  ExportOptions options = Quiet(folder);
  options.formats = {"torchscript"};
  const ExportResult result = ExportCheckpoint(TinyCheckpoint(GetParam()), "tiny", options);
  const torch::jit::Module module = torch::jit::load(result.files[0].path.string());
  EXPECT_THAT(module.get_method("forward").graph()->toString(),
              ::testing::Not(::testing::HasSubstr("aten::_convolution(")));
}

// Its settings belong to the process, in which others may compute, too.
TEST(TorchScriptModel, LeavesLibTorchAsItWas) {
  TemporaryFolder folder;
  ExportOptions options = Quiet(folder);
  options.formats = {"torchscript"};
  const ExportResult result = ExportCheckpoint(TinyCheckpoint("unet"), "tiny", options);
  const auto settings = [] {
    const at::Context& context = at::globalContext();
    return std::vector<int>{torch::jit::getProfilingMode(), torch::jit::getExecutorMode(),
                            context.allowTF32CuDNN(), context.allowTF32CuBLAS(),
                            at::get_num_threads()};
  };
  const std::vector<int> before = settings();
  const auto runtime = Runtime::Open(result.files[0].path, {.device = "cpu", .threads = 3});
  const std::int64_t frames = runtime->manifest().segment_frames;
  std::vector<float> mix(static_cast<std::size_t>(2 * frames), 0.1f);
  std::vector<float> out(mix.size() * runtime->manifest().stems.size());
  runtime->Run(mix.data(), 1, frames, out.data());
  EXPECT_EQ(settings(), before);
}

TEST_P(ModelTableTest, TheManifestTellsTheCheckpointsStory) {
  const Checkpoint checkpoint = TinyCheckpoint(GetParam());
  const auto model = ModelFromCheckpoint(checkpoint);
  const Manifest manifest = ManifestFor(checkpoint, *model, 0, "tiny");
  EXPECT_EQ(manifest.model_name, RowOf(GetParam()));
  EXPECT_EQ(manifest.stems, checkpoint.setting.stems);
  EXPECT_EQ(manifest.training["step"], 12);
  EXPECT_FALSE(manifest.training.contains("config"));
  // The nearest length of the rule, above or below.
  const std::int64_t multiple = manifest.length.multiple_frames;
  EXPECT_EQ(model->length_rule().AtLeast(manifest.segment_frames), manifest.segment_frames);
  EXPECT_LE(std::abs(manifest.segment_frames - checkpoint.segment_frames), (multiple + 1) / 2);
  const Manifest longer = ManifestFor(checkpoint, *model, 2.0, "tiny");
  EXPECT_LE(std::abs(longer.segment_frames - 2 * 44100), (multiple + 1) / 2);
  EXPECT_THROW(ManifestFor(checkpoint, *model, -1, "tiny"), Error);
}

// Gives its input for every stem, times a number that a test can change behind the exporter's back.
class Fickle : public SeparationModel {
 public:
  Fickle() : SeparationModel({.stems = {"a", "b"}, .sample_rate_hz = 8000, .channels = 2}) {}
  torch::Tensor Separate(const torch::Tensor& mix) override {
    const double gain = calls++ < steady_calls ? 1.0 : 1.001;
    return torch::stack({mix * gain, mix * 0.5}, 1);
  }
  LengthRule length_rule() const override { return {true, 0, 4}; }
  int calls = 0, steady_calls = 1 << 30;
};

Manifest FickleManifest() {
  Manifest manifest;
  manifest.model_name = "fickle";
  manifest.stems = {"a", "b"};
  manifest.sample_rate_hz = 8000;
  manifest.segment_frames = 64;
  manifest.length = {true, 0, 4};
  return manifest;
}

std::shared_ptr<Fickle> MakeFickle() {
  auto model = std::make_shared<Fickle>();
  model->eval();
  return model;
}

// Fresh scales of layers are so small that the transformer adds next to nothing.
Checkpoint HeardTransformer() {
  Checkpoint checkpoint = TinyCheckpoint("htdemucs");
  for (auto& [name, weight] : checkpoint.weights)
    if (name.ends_with(".scale")) weight = torch::full_like(weight, 0.5);
  return checkpoint;
}

TEST(Export, WritesWeightsOfFewerBits) {
  TemporaryFolder folder;
  const Checkpoint checkpoint = HeardTransformer();
  ExportOptions options = Quiet(folder);
  options.formats = {"onnx"};
  const ExportedFile whole = ExportCheckpoint(checkpoint, "tiny", options).files[0];
  options.formats = {};
  for (const char* precision : {"float16", "int8"}) {
    options.precision = precision;
    const ExportResult result = ExportCheckpoint(checkpoint, "tiny", options);
    ASSERT_EQ(result.files.size(), 1u);
    const ExportedFile& file = result.files[0];
    EXPECT_EQ(file.path.filename(), std::string("model.") + precision + ".onnx");
    EXPECT_LT(file.bytes, whole.bytes) << precision;
    EXPECT_GE(file.snr_db, kLowestSnrDb) << precision;
    EXPECT_LE(file.snr_db, 110) << precision;  // or nothing was rounded
    const auto runtime = Runtime::Open(file.path, {.device = "cpu"});
    EXPECT_EQ(runtime->manifest().precision, precision);
    EXPECT_NEAR(runtime->manifest().precisions[precision]["snr_db"].get<double>(), file.snr_db, 0.06);
  }
  EXPECT_TRUE(std::filesystem::exists(whole.path));
}

TEST(Export, WritesSmallWeightsBesideTheModelToo) {
  TemporaryFolder folder;
  ExportOptions options = Quiet(folder);
  options.precision = "int8";
  options.onnx_inline_bytes = 0;
  const ExportResult result = ExportCheckpoint(TinyCheckpoint("htdemucs"), "tiny", options);
  EXPECT_EQ(result.files[0].data_path, options.out / "model.int8.onnx.data");
  Runtime::Open(options.out, {.device = "cpu", .precision = Precision::kInt8});
}

TEST(Export, RefusesFewerBitsWhereTheySaveNothing) {
  TemporaryFolder folder;
  ExportOptions options = Quiet(folder);
  const auto error = [&](const std::string& model) {
    return MessageOf([&] { ExportCheckpoint(TinyCheckpoint(model), "tiny", options); });
  };
  options.precision = "int8";
  EXPECT_THAT(error("unet"), ::testing::HasSubstr("no weights that become smaller as int8"));
  options.formats = {"torchscript"};
  EXPECT_THAT(error("unet"), ::testing::HasSubstr("only .onnx files have weights as int8"));
  options.precision = "int4";
  EXPECT_THAT(error("unet"), ::testing::HasSubstr("did you mean 'int8'"));
  EXPECT_TRUE(IsEmpty(folder / "out"));
}

TEST(Export, LeavesNoFileWhenTheResultIsNotTheModels) {
  TemporaryFolder folder;
  auto model = MakeFickle();
  model->steady_calls = 3;  // as long as it is traced
  // It is wrong by 1e-3.
  EXPECT_THAT(MessageOf([&] { ExportModel(model, FickleManifest(), "fickle", Quiet(folder)); },
                        ExitCode::kInputFailed),
              ::testing::HasSubstr("differs from the model"));
  EXPECT_TRUE(IsEmpty(folder / "out"));
}

TEST(Export, KeepsTheFormerFilesWhenItFails) {
  TemporaryFolder folder;
  WriteFileAtomically(folder / "out" / "model.ts", "former");
  auto model = MakeFickle();
  model->steady_calls = 3;
  EXPECT_THROW(ExportModel(model, FickleManifest(), "fickle", Quiet(folder)), Error);
  EXPECT_EQ(ReadFile(folder / "out" / "model.ts"), "former");
  EXPECT_FALSE(std::filesystem::exists(folder / "out" / "model.onnx"));
}

TEST(Export, WritesOnlyTheFormatsAskedFor) {
  TemporaryFolder folder;
  ExportOptions options = Quiet(folder);
  options.formats = {"onnx", "onnx"};
  const ExportResult result = ExportModel(MakeFickle(), FickleManifest(), "fickle", options);
  EXPECT_EQ(result.files.size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(folder / "out" / "model.onnx"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out" / "model.ts"));
}

TEST(Export, RefusesUnknownFormatsWithTheNearestName) {
  TemporaryFolder folder;
  ExportOptions options = Quiet(folder);
  options.formats = {"onxx"};
  EXPECT_THAT(MessageOf([&] { ExportModel(MakeFickle(), FickleManifest(), "fickle", options); },
                        ExitCode::kWrongUse),
              ::testing::HasSubstr("'onnx'"));
}

TEST(Export, RefusesWeightsThatAreNotNumbers) {
  TemporaryFolder folder;
  Checkpoint checkpoint = TinyCheckpoint("unet");
  for (auto& [name, tensor] : checkpoint.weights) {
    tensor = tensor.is_floating_point() ? torch::full_like(tensor, NAN) : tensor;
  }
  EXPECT_THAT(MessageOf([&] { ExportCheckpoint(checkpoint, "tiny", Quiet(folder)); }),
              ::testing::HasSubstr("not a number"));
  EXPECT_TRUE(IsEmpty(folder / "out"));
}

}  // namespace
}  // namespace stemsmith::testing
