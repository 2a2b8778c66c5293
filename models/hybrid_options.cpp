// Reading and checking the options of the hybrid Demucs models.
#include <algorithm>

#include "core/error.h"
#include "models/hybrid_demucs.h"
#include "models/layers/strided_levels.h"

namespace stemsmith {
namespace {

constexpr std::int64_t kWidest = 65536;  // channels of a level

[[noreturn]] void Refuse(const Config& config, const std::string& key, const std::string& what,
                         const std::string& advice) {
  throw Error::Usage(what, config.Where(config.Has(key) ? key : ""), advice);
}

// The sizes of frequency and time must divide evenly, level by level.
void CheckSizes(const HybridOptions& o, const Config& config, int version) {
  if (o.nfft % 8 != 0)
    Refuse(config, "nfft", "nfft is not a multiple of 8", "for example nfft: 4096");
  if (o.kernel_size - 2 * (o.kernel_size / 4) != o.stride)
    Refuse(config, config.Has("stride") ? "stride" : "kernel_size",
           "with this kernel_size and stride a level does not divide its input by the stride",
           "use a kernel_size of twice the stride, for example 8 and 4");
  if (o.time_stride % 2 != 0) Refuse(config, "time_stride", "time_stride is odd", "use 2");
  CheckDeepestStep(config, "time_stride", o.time_stride, o.depth);
  std::int64_t bins = o.nfft / 2, steps = 1;
  for (std::int64_t level = 0; level < o.depth && bins > 1; ++level) {
    const bool joins = bins <= o.kernel_size;
    const bool banded = !o.multi_freqs.empty() && level < o.multi_freqs_depth;
    if (!joins && bins % o.stride != 0)
      Refuse(config, "nfft", "nfft / 2 cannot be divided by the stride in every level",
             "use nfft: 4096 with kernel_size: 8 and stride: 4");
    if (banded) {
      const HybridLevelOptions encoder{.kernel_size = o.kernel_size, .stride = o.stride};
      if (joins || level >= o.norm_starts || o.kernel_size != 2 * o.stride)
        Refuse(config, "multi_freqs_depth",
               "only levels before the join and before norm_starts can be split into bands",
               "make multi_freqs_depth smaller");
      if (EncoderRanges(encoder, o.multi_freqs, bins).empty() ||
          DecoderRanges(o.multi_freqs, bins / o.stride).empty())
        Refuse(config, "multi_freqs", "multi_freqs leaves a band without bins",
               "use rising shares between 0 and 1, further apart");
    }
    steps *= o.stride;
    bins = joins ? 1 : bins / o.stride;
  }
  if (version == 3 && (bins != 1 || steps != o.nfft / 4))
    Refuse(config, "depth",
           "the branches do not meet: the last level along frequency must come "
           "where the wave's steps are as long as the hop",
           "use nfft: 4096 with kernel_size: 8, stride: 4 and a depth of at least 5");
  if (version == 4 && bins == 1)
    Refuse(config, "depth", "the levels leave nothing of the frequency axis for the transformer",
           "use a smaller depth or a larger nfft");
}

void CheckChannels(const HybridOptions& o, const Config& config, const ModelSetting& setting) {
  double widest = static_cast<double>(std::max(o.channels, o.channels_time));
  for (std::int64_t level = 1; level < o.depth; ++level) widest *= static_cast<double>(o.growth);
  if (widest > static_cast<double>(kWidest))
    Refuse(config, config.Has("growth") ? "growth" : "channels",
           "growth leads to more than " + std::to_string(kWidest) + " channels",
           "use fewer channels, less growth or a smaller depth");
  std::int64_t width = o.channels, width_t = o.channels_time > 0 ? o.channels_time : o.channels;
  std::int64_t out = setting.channels * static_cast<std::int64_t>(setting.stems.size());
  std::int64_t out_z = o.cac ? 2 * out : out;
  for (std::int64_t level = 0; level < o.depth; ++level) {
    for (const std::int64_t w : {width, width_t}) {
      o.dconv.Check(w, level, config);
      if (level >= o.norm_starts && w % o.norm_groups != 0)
        Refuse(config, "norm_groups", "norm_groups does not divide a level's channels",
               "use channels that norm_groups divides");
    }
    if (level >= o.norm_starts && (out % o.norm_groups != 0 || out_z % o.norm_groups != 0))
      Refuse(config, "norm_starts", "norm_groups does not divide the channels of the result",
             "let norm_starts begin behind the first level");
    out = width_t;
    out_z = width;
    width *= o.growth;
    width_t *= o.growth;
  }
}

}  // namespace

HybridOptions ReadHybridOptions(const Config& config, const HybridOptions& defaults, int version,
                                const ModelSetting& setting) {
  HybridOptions o = defaults;
  o.channels = config.IntegerIn("channels", o.channels, 1, 4096);
  o.channels_time = config.IntegerIn("channels_time", o.channels_time, 0, 4096);
  o.growth = config.IntegerIn("growth", o.growth, 1, 16);
  o.nfft = config.IntegerIn("nfft", o.nfft, 16, 65536);
  o.cac = config.Bool("cac", o.cac);
  o.depth = config.IntegerIn("depth", o.depth, 1, 12);
  o.rewrite = config.Bool("rewrite", o.rewrite);
  o.multi_freqs = config.Numbers("multi_freqs", o.multi_freqs);
  o.multi_freqs_depth = config.IntegerIn("multi_freqs_depth", o.multi_freqs_depth, 0, 12);
  o.freq_emb = config.NumberIn("freq_emb", o.freq_emb, 0, 100);
  o.emb_scale = config.NumberIn("emb_scale", o.emb_scale, 1e-3, 1e6);
  o.emb_smooth = config.Bool("emb_smooth", o.emb_smooth);
  o.kernel_size = config.IntegerIn("kernel_size", o.kernel_size, 1, 1024);
  o.stride = config.IntegerIn("stride", o.stride, 2, 1024);
  o.time_stride = config.IntegerIn("time_stride", o.time_stride, 2, 1024);
  o.context = config.IntegerIn("context", o.context, 0, 512);
  o.context_enc = config.IntegerIn("context_enc", o.context_enc, 0, 512);
  o.norm_starts = config.IntegerIn("norm_starts", o.norm_starts, 0, 1000000);
  o.norm_groups = config.IntegerIn("norm_groups", o.norm_groups, 1, 4096);
  o.dconv = DConvPlaces::Read(config, o.dconv, /*deep=*/version == 3);
  o.rescale = config.NumberIn("rescale", o.rescale, 0, 100);
  if (version == 3) o.hybrid_old = config.Bool("hybrid_old", o.hybrid_old);
  RequireOption(config, "wiener_iters", "0");
  RequireOption(config, "end_iters", "0");
  RequireOption(config, "wiener_residual", "false");
  CheckSizes(o, config, version);
  CheckChannels(o, config, setting);
  return o;
}

}  // namespace stemsmith
