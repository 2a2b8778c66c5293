#include "models/hybrid_demucs.h"

#include <torch/csrc/jit/frontend/tracer.h>

#include <algorithm>

#include "models/layers/checkpointed.h"
#include "models/layers/rescale.h"
#include "models/layers/traced_size.h"

namespace stemsmith {
namespace {

// Reflects x [B, C, T] beyond its ends; where it is too short for that, zeros are put in between.
torch::Tensor PadReflected(torch::Tensor x, std::int64_t left, std::int64_t right) {
  const std::int64_t missing = std::max(left, right) + 1 - x.size(2);
  if (missing > 0) {
    const std::int64_t zeros_right = std::min(right, missing), zeros_left = missing - zeros_right;
    x = torch::constant_pad_nd(x, {zeros_left, zeros_right});
    left -= zeros_left;
    right -= zeros_right;
  }
  return torch::reflection_pad1d(x, {left, right});
}

// The same for traces of any length T, with `left` on the left and on the right at least as many
// as PadReflected puts to reach a multiple of `hop` and as many as on the left. The steps beyond
// are of no use.
torch::Tensor PadReflectedTraced(const torch::Tensor& x, std::int64_t left, std::int64_t hop) {
  const torch::Tensor frames = CountOf(PositionsAlong(x, 2));
  const torch::Tensor right = torch::remainder(-frames, hop) + left;
  const torch::Tensor last = torch::maximum(frames, right + 1) - 1;  // at which it is reflected
  const torch::Tensor padded = torch::constant_pad_nd(x, {left, left + hop - 1});
  const torch::Tensor step = PositionsAlong(padded, 2) - left;
  const torch::Tensor source = torch::clamp_min(last - (last - step.abs()).abs(), 0) + left;
  return padded.index_select(2, source);
}

// Takes mean and deviation of every item out; keeps them for the way back.
struct Normalized {
  torch::Tensor x, mean, deviation;

  Normalized(const torch::Tensor& given, torch::IntArrayRef dims)
      : mean(given.mean(dims, /*keepdim=*/true)),
        deviation(given.std(dims, /*unbiased=*/true, /*keepdim=*/true)) {
    x = (given - mean) / (1e-5 + deviation);
  }
  // y has a dimension of stems behind the batch.
  torch::Tensor Undo(const torch::Tensor& y) const {
    return y * deviation.unsqueeze(1) + mean.unsqueeze(1);
  }
};

// Levels as checkpointed parts; `on` as in CheckpointedIf.
torch::Tensor Encode(bool on, HybridEncoderModule& level, const torch::Tensor& x,
                     const torch::Tensor& inject) {
  return CheckpointedIf(on, level, {x, inject}, [&level](const std::vector<torch::Tensor>& in) {
    return std::vector<torch::Tensor>{level.forward(in[0], in[1])};
  })[0];
}

HybridDecoded Decode(bool on, HybridDecoderModule& level, const torch::Tensor& x,
                     const torch::Tensor& skip, const torch::Tensor& like) {
  const std::vector<torch::Tensor> decoded =
      CheckpointedIf(on, level, {x, skip}, [&level, like](const std::vector<torch::Tensor>& in) {
        const HybridDecoded both = level.forward(in[0], in[1], like);
        return std::vector<torch::Tensor>{both.result, both.before};
      });
  return {decoded[0], decoded[1]};
}

// Real and imaginary parts into the last dimension: [.., 2, F, N] → [.., F, N, 2].
torch::Tensor PartsLast(const torch::Tensor& spectrum) {
  const std::int64_t d = spectrum.dim();
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < d; ++i) order.push_back(i < d - 3 ? i : i < d - 1 ? i + 1 : d - 3);
  return spectrum.permute(order).contiguous();
}

}  // namespace

struct HybridDemucs::Level {
  HybridLevelOptions encoder, decoder, tencoder, tdecoder;
  bool temporal = false;  // the wave's branch has this level
  std::int64_t bins = 1;  // of the encoder's input
};

HybridDemucs::HybridDemucs(HybridOptions options, ModelSetting setting)
    : SeparationModel(std::move(setting)), options_(std::move(options)) {
  stft_ = register_module("stft", StftLayer(StftLayerOptions{.n_fft = options_.nfft,
                                                             .hop = options_.nfft / 4,
                                                             .edges = StftEdges::kNone,
                                                             .normalized = true}));
  Build();
}

std::vector<HybridDemucs::Level> HybridDemucs::Levels() const {
  const HybridOptions& o = options_;
  const std::int64_t parts = o.cac ? 2 : 1;
  std::int64_t in = setting_.channels, in_z = in * parts;
  std::int64_t out = o.channels_time > 0 ? o.channels_time : o.channels, out_z = o.channels;
  std::int64_t bins = o.nfft / 2;
  std::vector<Level> levels;
  for (std::int64_t index = 0; index < o.depth; ++index) {
    const bool frequency = bins > 1, joins = frequency && bins <= o.kernel_size;
    if (joins) out = out_z = std::max(out, out_z);
    HybridLevelOptions common;
    common.frequency = frequency;
    common.kernel_size = joins ? bins : frequency ? o.kernel_size : 2 * o.time_stride;
    common.stride = frequency ? o.stride : o.time_stride;
    common.pad = !joins;
    common.norm_groups = index >= o.norm_starts ? o.norm_groups : 0;
    common.rewrite = o.rewrite;
    common.dconv_options = o.dconv.AtLevel(index);
    HybridLevelOptions temporal = common;
    temporal.frequency = false;
    temporal.kernel_size = o.kernel_size;
    temporal.stride = o.stride;
    temporal.pad = true;
    temporal.empty = joins;

    Level level{common, common, temporal, temporal, frequency, bins};
    const bool banded = !o.multi_freqs.empty() && index < o.multi_freqs_depth;
    level.decoder.context_frequency = !banded;
    for (HybridLevelOptions* encoder : {&level.encoder, &level.tencoder}) {
      encoder->context = o.context_enc;
      encoder->dconv = o.dconv.InEncoder();
    }
    for (HybridLevelOptions* decoder : {&level.decoder, &level.tdecoder}) {
      decoder->context = o.context;
      decoder->dconv = o.dconv.InDecoder();
      decoder->last = index == 0;
    }
    level.encoder.in = in_z;
    level.encoder.out = out_z;
    level.tencoder.in = in;
    level.tencoder.out = out;
    if (index == 0) {
      in = setting_.channels * static_cast<std::int64_t>(setting_.stems.size());
      in_z = in * parts;
    }
    level.decoder.in = out_z;
    level.decoder.out = in_z;
    level.tdecoder.in = out;
    level.tdecoder.out = in;
    levels.push_back(level);
    in = out;
    in_z = out_z;
    out *= o.growth;
    out_z *= o.growth;
    if (frequency) bins = joins ? 1 : bins / o.stride;
  }
  return levels;
}

void HybridDemucs::Build() {
  const std::vector<Level> levels = Levels();
  register_module("encoder", encoder_);
  register_module("decoder", decoder_);
  register_module("tencoder", tencoder_);
  register_module("tdecoder", tdecoder_);
  std::vector<std::shared_ptr<torch::nn::Module>> decoders, tdecoders;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const Level& level = levels[i];
    const bool banded =
        !options_.multi_freqs.empty() && static_cast<std::int64_t>(i) < options_.multi_freqs_depth;
    if (banded) {
      const auto& ratios = options_.multi_freqs;
      encoder_->push_back(std::make_shared<BandedEncoder>(
          level.encoder, EncoderRanges(level.encoder, ratios, level.bins)));
      decoders.push_back(std::make_shared<BandedDecoder>(
          level.decoder, DecoderRanges(ratios, level.bins / options_.stride)));
    } else {
      encoder_->push_back(std::make_shared<HybridEncoder>(level.encoder));
      decoders.push_back(std::make_shared<HybridDecoder>(level.decoder));
    }
    if (level.temporal) {
      tencoder_->push_back(std::make_shared<HybridEncoder>(level.tencoder));
      tdecoders.push_back(std::make_shared<HybridDecoder>(level.tdecoder));
      temporal_is_empty_.push_back(level.tencoder.empty);
    }
    if (i == 0 && options_.freq_emb != 0)
      freq_emb_ = register_module("freq_emb",
                                  ScaledEmbedding(level.bins / options_.stride, level.encoder.out,
                                                  options_.emb_scale, options_.emb_smooth));
  }
  for (auto module = decoders.rbegin(); module != decoders.rend(); ++module)
    decoder_->push_back(*module);
  for (auto module = tdecoders.rbegin(); module != tdecoders.rend(); ++module)
    tdecoder_->push_back(*module);
  if (options_.rescale > 0) RescaleConvolutions(*this, options_.rescale);
}

// The deviation of one sample alone is undefined.
LengthRule HybridDemucs::length_rule() const { return {true, /*offset_frames=*/2, 1}; }

std::int64_t HybridDemucs::DeepestStepFrames() const {
  std::int64_t step = options_.nfft / 4;
  for (const Level& level : Levels())
    if (!level.encoder.frequency) step *= level.encoder.stride;
  return step;
}

std::int64_t HybridDemucs::longest_uncut_frames() const {
  const bool cuts = options_.dconv.AtLevel(options_.depth - 1).lstm;
  return cuts ? DConvImpl::kLstmSpan * DeepestStepFrames() : 0;
}

nlohmann::json HybridDemucs::stft() const { return stft_->Description(); }

// Frame n is centred in the middle of the hop that the levels along time see as their step n.
torch::Tensor HybridDemucs::Spectrum(const torch::Tensor& mix) const {
  const std::int64_t hop = options_.nfft / 4, left = hop / 2 * 3;
  const std::int64_t most = left + hop - 1;  // on the right; behind the last frame it is idle
  torch::Tensor padded;
  if (options_.hybrid_old) {
    padded = torch::constant_pad_nd(mix, {left, most});
  } else if (torch::jit::tracer::isTracing() && length_rule().dynamic) {
    padded = PadReflectedTraced(mix, left, hop);
  } else {
    const std::int64_t steps = (mix.size(2) + hop - 1) / hop;
    padded = PadReflected(mix, left, left + steps * hop - mix.size(2));
  }
  return torch::view_as_real(stft_->Transform(padded.flatten(0, 1)))
      .permute({0, 3, 1, 2})
      .slice(2, 0, -1)  // without the topmost bin
      .unflatten(0, {-1, setting_.channels});
}

torch::Tensor HybridDemucs::SpectralInput(const torch::Tensor& spectrum) const {
  if (!options_.cac) return torch::view_as_complex(PartsLast(spectrum)).abs();
  return spectrum.flatten(1, 2);
}

torch::Tensor HybridDemucs::SpectralOutput(const torch::Tensor& x, const torch::Tensor& spectrum,
                                           const torch::Tensor& mix) const {
  const auto stems = static_cast<std::int64_t>(setting_.stems.size());
  const std::int64_t c = setting_.channels;
  torch::Tensor parts;  // [B · S · C, 2, F, N]
  if (options_.cac) {
    parts = x.unflatten(1, {stems * c, 2}).flatten(0, 1);
  } else {
    // Where the mixture is zero its phase is taken for zero.
    const torch::Tensor mixture = PartsLast(spectrum);
    const torch::Tensor magnitude = torch::view_as_complex(mixture).abs().unsqueeze(-1);
    const torch::Tensor zero = magnitude == 0;
    const torch::Tensor real = torch::zeros_like(magnitude);
    const torch::Tensor one = torch::cat({real + 1, real}, -1);
    const torch::Tensor phase = torch::where(zero, one, mixture / magnitude.masked_fill(zero, 1.0));
    parts = (x.unflatten(1, {stems, c}).unsqueeze(-1) * phase.unsqueeze(1))
                .flatten(0, 2)
                .permute({0, 3, 1, 2});
  }
  // The topmost bin and two frames on either side are zeros. So is the imaginary part of the lowest
  // bin: nothing on a CPU sees it, but cuFFT lets it sound (an alternating sample; PyTorch's issue
  // 154496), so that stems on a GPU differed by up to a hundredth of their peak.
  const torch::Tensor real = torch::constant_pad_nd(parts.select(1, 0), {2, 2, 0, 1});
  const torch::Tensor imaginary =
      torch::constant_pad_nd(parts.select(1, 1).slice(1, 1), {2, 2, 1, 1});
  const torch::Tensor spectra = torch::view_as_complex(torch::stack({real, imaginary}, -1));
  const std::int64_t left = options_.hybrid_old ? 0 : options_.nfft / 8 * 3;
  const torch::Tensor waves = stft_->Invert(spectra).slice(1, left);
  return SliceToSizeOf(waves, 1, mix, 2).unflatten(0, {-1, stems, c});
}

torch::Tensor HybridDemucs::Separate(const torch::Tensor& mix) {
  const auto stems = static_cast<std::int64_t>(setting_.stems.size());
  const torch::Tensor spectrum = Spectrum(mix);
  const Normalized spectral(SpectralInput(spectrum), {1, 2, 3});
  const Normalized temporal(mix, {1, 2});

  torch::Tensor x = spectral.x, xt = temporal.x;
  std::vector<torch::Tensor> skips, skips_t;
  std::vector<torch::Tensor> inputs, inputs_t;  // whose lengths the decoders give
  for (std::size_t i = 0; i < encoder_->size(); ++i) {
    inputs.push_back(x);
    torch::Tensor inject;
    if (i < tencoder_->size()) {
      inputs_t.push_back(xt);
      xt = Encode(checkpoints_, *tencoder_->ptr(i)->as<HybridEncoder>(), xt, {});
      if (temporal_is_empty_[i]) {
        inject = xt;
      } else {
        skips_t.push_back(xt);
      }
    }
    x = Encode(checkpoints_, *std::dynamic_pointer_cast<HybridEncoderModule>(encoder_->ptr(i)), x,
               inject);
    if (i == 0 && freq_emb_) x = x + freq_emb_().t().unsqueeze(2) * options_.freq_emb;
    skips.push_back(x);
  }

  std::tie(x, xt) = Middle(x, xt);

  const std::size_t offset = decoder_->size() - tdecoder_->size();
  for (std::size_t i = 0; i < decoder_->size(); ++i) {
    const HybridDecoded decoded =
        Decode(checkpoints_, *std::dynamic_pointer_cast<HybridDecoderModule>(decoder_->ptr(i)), x,
               skips.back(), inputs.back());
    x = decoded.result;
    skips.pop_back();
    inputs.pop_back();
    if (i < offset) continue;
    auto& decoder = *tdecoder_->ptr(i - offset)->as<HybridDecoder>();
    if (temporal_is_empty_[decoder_->size() - 1 - i]) {
      xt = Decode(checkpoints_, decoder, decoded.before.squeeze(2), {}, inputs_t.back()).result;
    } else {
      xt = Decode(checkpoints_, decoder, xt, skips_t.back(), inputs_t.back()).result;
      skips_t.pop_back();
    }
    inputs_t.pop_back();
  }

  x = spectral.Undo(x.unflatten(1, {stems, -1})).flatten(1, 2);
  xt = temporal.Undo(xt.unflatten(1, {stems, -1}));
  return xt + SpectralOutput(x, spectrum, mix);
}

}  // namespace stemsmith
