// What the models of demucs 4 refuse, and when htdemucs pads to its segment. Their numbers are
// compared with the originals in tests/reference/.

#include "core/error.h"
#include "models/layers/blstm.h"
#include "models/layers/hybrid_layers.h"
#include "tests/models/tiny_models.h"
#include "tests/models/traced_model.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace {

void MakeFrom(const std::string& options, int stems = 2) {
  MakeModel(Config::Parse(options, "m.yaml"), Setting(stems));
}
std::string Complaint(const std::string& options, int stems = 2) {
  return MessageOf([&] { MakeFrom(options, stems); }, ExitCode::kWrongUse);
}

constexpr char kHybrid[] = "{name: hdemucs, channels: 8, nfft: 64, depth: 3, dconv_comp: 2, ";
constexpr char kTransformer[] = "{name: htdemucs, channels: 8, nfft: 512, depth: 2, ";

TEST(HybridDemucs, TakesTheOriginalsOtherOptionsWithTheirOneValueOnly) {
  const std::string hybrid = kHybrid, transformer = kTransformer;
  EXPECT_NO_THROW(MakeFrom(hybrid + "hybrid: True, wiener_iters: 0, end_iters: 0, segment: 40}"));
  EXPECT_NO_THROW(MakeFrom(transformer + "t_emb: sin, t_norm_first: true, t_sin_random_shift: 0, "
                                         "t_cape_glob_loc_scale: [5000.0, 1.0, 1.4], t_lr: null, "
                                         "t_weight_decay: 0.05, segment: 39/5}"));
  const std::vector<std::pair<std::string, std::string>> refused = {
      {hybrid, "hybrid: false"},
      {hybrid, "wiener_iters: 1"},
      {hybrid, "wiener_residual: true"},
      {transformer, "t_emb: cape"},
      {transformer, "t_norm_first: false"},
      {transformer, "t_sparse_self_attn: true"}};
  for (const auto& [model, option] : refused) {
    const std::string text = Complaint(model + option + "}");
    EXPECT_NE(text.find(option), std::string::npos) << text;
    EXPECT_NE(text.find("m.yaml:1"), std::string::npos) << text;
  }
}

TEST(HybridDemucs, SizesThatDoNotFitAreErrors) {
  const std::string hybrid = kHybrid, transformer = kTransformer, wave = "{name: demucs, ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{name: hdemucs, depth: 4}", "do not meet"},
      {"{name: hdemucs, time_stride: 1024}", "beyond 100 million frames"},
      {wave + "stride: 1024, kernel_size: 1024}", "beyond 100 million frames"},
      {"{name: hdemucs, nfft: 2048}", "do not meet"},
      {hybrid + "kernel_size: 8, stride: 2}", "does not divide"},
      {hybrid + "time_stride: 3}", "time_stride is odd"},
      {"{name: hdemucs, nfft: 64, depth: 3, dconv_attn: 0, channels: 24}", "attention's 4 heads"},
      {hybrid + "norm_starts: 0, norm_groups: 3}", "norm_groups does not divide"},
      {"{name: hdemucs, multi_freqs: [0.3, 0.1]}", "without bins"},
      {"{name: hdemucs, multi_freqs: [0.3], multi_freqs_depth: 5}", "multi_freqs_depth smaller"},
      {transformer + "t_heads: 5}", "multiple of 4 and of t_heads"},
      {"{name: htdemucs, nfft: 512, depth: 4}", "nothing of the frequency axis"},
      {transformer + "channels_time: 16}", "as many channels"},
      {transformer + "segment: 1/0}", "not a length"},
      {transformer + "segment: ten}", "not a length"},
      {wave + "kernel_size: 2}", "smaller than stride"},
      {wave + "growth: 16}", "channels in a level"},
      {wave + "dconv_comp: 4096}", "no channels in a residual branch"},
      {wave + "norm_groups: 3}", "norm_groups does not divide"},
  };
  for (const auto& [options, part] : cases) {
    const std::string text = Complaint(options);
    EXPECT_NE(text.find(part), std::string::npos) << options << ": " << text;
  }
}

TEST(HybridDemucs, PadsToTheTrainingSegmentOnlyWhereItSeparates) {
  const auto model = TinyModel("htdemucs");
  EXPECT_EQ(model->length_rule().AtLeast(100), 882);  // 0.02 s
  EXPECT_EQ(model->length_rule().AtLeast(1000), 1000);
  model->UseSegment(2000);
  EXPECT_EQ(model->length_rule().AtLeast(100), 2000);
  model->train();
  EXPECT_EQ(model->length_rule().AtLeast(100), 100);
  const auto free = MakeModel(
      Config::Parse(std::string(kTransformer) + "use_train_segment: false}", "m"), Setting());
  free->eval();
  free->UseSegment(2000);
  EXPECT_EQ(free->length_rule().AtLeast(100), 100);
}

// What is kept of a span lies 50 steps away from its edges: what differs from one run over all is
// the LSTM's memory beyond that, which fades. The last steps see what the last span is filled up
// with.
TEST(Blstm, SpansGiveNearlyWhatOneRunGives) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  Blstm whole(6, 1), spans(6, 1, BlstmOptions{.max_steps = 200});
  const auto from = whole->parameters(), to = spans->parameters();
  for (std::size_t i = 0; i < from.size(); ++i) to[i].copy_(from[i]);
  for (const std::int64_t steps : {200, 201, 300, 999}) {
    const auto x = torch::randn({2, 6, steps});
    const auto expected = whole(x), given = spans(x);
    ASSERT_EQ(given.sizes(), expected.sizes());
    EXPECT_LE((given - expected).slice(2, 0, steps - 60).abs().max().item<double>(), 1e-4) << steps;
  }
}

// Bands with equal weights are one level for all bins.
TEST(BandedLevels, WithEqualWeightsGiveWhatOneLevelGives) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(4);
  const auto copy = [](torch::nn::Module& from, torch::nn::Module& to) {
    const auto given = from.named_parameters();
    for (const auto& item : to.named_parameters()) {
      const std::string& name = item.key();  // layers.0.conv.weight
      torch::Tensor target = item.value();
      target.copy_(given[name.substr(name.find('.', name.find('.') + 1) + 1)]);
    }
  };
  HybridLevelOptions options;
  options.in = 4;
  options.out = 8;
  HybridEncoder encoder(options);
  BandedEncoder banded(options, EncoderRanges(options, {0.1, 0.4}, 256));
  copy(encoder, banded);
  const auto x = torch::randn({2, 4, 256, 5});
  const auto expected = encoder.forward(x, {}), given = banded.forward(x, {});
  EXPECT_LE((given - expected).abs().max().item<double>(),
            1e-5 * expected.abs().max().item<double>());

  std::swap(options.in, options.out);
  options.context_frequency = false;
  HybridDecoder decoder(options);
  BandedDecoder banded_decoder(options, DecoderRanges({0.1, 0.4}, 64));
  copy(decoder, banded_decoder);
  const auto skip = torch::randn_like(expected);
  const auto whole = decoder.forward(expected, skip, x).result;
  const auto parts = banded_decoder.forward(expected, skip, x).result;
  ASSERT_EQ(parts.sizes(), whole.sizes());
  EXPECT_LE((parts - whole).abs().max().item<double>(), 1e-5 * whole.abs().max().item<double>());
}

// What a model gives to torch's istft; undefined where it does not call it.
torch::Tensor InvertedSpectra(SeparationModel& model, const torch::Tensor& mix) {
  const auto graph = TraceSeparate(model, mix);
  for (torch::jit::Node* node : graph->nodes()) {
    if (std::string(node->kind().toQualString()) != "aten::istft") continue;
    graph->eraseOutput(0);
    graph->registerOutput(node->input(0));
    return torch::jit::GraphFunction("spectra", graph, nullptr)({mix}).toTensor();
  }
  return {};
}

// On a GPU the imaginary part of the lowest bin would sound: cuFFT does not ignore it.
TEST(HybridDemucs, SpectraThatAreInvertedBelongToRealSamples) {
  for (const char* name : {"hdemucs", "htdemucs"}) {
    const torch::NoGradGuard no_grad;
    const auto model = TinyModel(name);
    const std::int64_t frames = model->length_rule().AtLeast(9000);
    const torch::Tensor spectra = InvertedSpectra(*model, torch::randn({2, 2, frames}));
    ASSERT_TRUE(spectra.defined()) << name;
    const torch::Tensor parts = torch::view_as_real(spectra);  // [B · S · C, F, N, 2]
    EXPECT_EQ(parts.select(1, 0).select(-1, 1).abs().max().item<float>(), 0.0f) << name;
    EXPECT_EQ(parts.select(1, -1).abs().max().item<float>(), 0.0f) << name;
    EXPECT_GT(parts.select(1, 1).select(-1, 1).abs().max().item<float>(), 0.0f) << name;
    EXPECT_GT(parts.select(1, 0).select(-1, 0).abs().max().item<float>(), 0.0f) << name;
  }
}

}  // namespace
}  // namespace stemsmith::testing
