#include "models/weights/dialects/networks.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "models/layers/bands.h"
#include "models/weights/state_prefix.h"

namespace stemsmith {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Places = std::vector<std::int64_t>;

// Networks that are met and not had: what a name of their weights holds, and their names.
struct OtherNetwork {
  const char* part;
  const char* part_too;  // of the same name
  const char* network;
};
constexpr OtherNetwork kOtherNetworks[] = {
    {"segm.upsample_head.", ".out_conv", "a BS-RoFormer with a HyperACE v2 head"},
    {".segm.", "", "a BS-RoFormer with a HyperACE head"},
    {".fno_blocks.", "", "a BS-RoFormer with an FNO head"},
    {"mask_estimators.0.layers.", "", "a BS-RoFormer with the head of Large v2"},
    {"y_attn", "", "a Siamese BS-RoFormer"},
    {".static_alpha", "", "a RoFormer with hyper-connections (BS-RoFormer 0.6 and later)"},
    {"norm_fc_modules.", ".combined.", "a Bandit v2"},
    {"norm_fc_modules.", "", "a Bandit"},
    {"bandsequence.", "", "a BSRNN"},
    {"stg1_", "", "a VR network of Ultimate Vocal Remover"},
    {".band_net.", "", "an Apollo"},
    {".forward_blocks.", "", "a BS-Mamba2"},
    {"separator_mask.", "", "a BS-Mamba2"},
    {".ff1.", "", "a Conformer"},
    {"input_proj_stft.", "", "a Conformer"},
    {".time_layer.", "", "an SCNet-Tran"},
    {"dualpath_blocks.", "", "an SCNet of another implementation"},
    {"swin_upernet_model.", "", "a Swin-UperNet"},
    {"unet_model.", "", "a segmentation model (torchseg)"},
    {"dec_heavy_blocks.", "", "a Moises-Light"},
    {"encoding_blocks.", ".tfc.", "an MDX-Net (ConvTDFNet)"},
};

// Shapes by name.
class Shapes {
 public:
  explicit Shapes(const NamedTensors& state) {
    for (const auto& [name, tensor] : state) shapes_.emplace(name, tensor.sizes().vec());
  }

  // The length of a dimension; throws Error where the tensor is not there or has fewer.
  std::int64_t Size(const std::string& name, std::size_t dimension,
                    const std::string& where) const {
    const auto found = shapes_.find(name);
    if (found == shapes_.end() || found->second.size() <= dimension ||
        found->second[dimension] < 1)
      throw Error::Input("the weights are incomplete: the tensor " + name + " is " +
                             (found == shapes_.end() ? "missing" : "of another shape"),
                         where, "download the file again");
    return found->second[dimension];
  }
  bool Has(const std::string& name) const { return shapes_.contains(name); }
  bool HasBelow(const std::string& prefix) const {
    const auto next = shapes_.lower_bound(prefix);
    return next != shapes_.end() && next->first.starts_with(prefix);
  }
  // The numbers that follow a prefix: {0, 2, 4}.
  Places Below(const std::string& prefix) const {
    std::set<std::int64_t> places;
    for (auto at = shapes_.lower_bound(prefix);
         at != shapes_.end() && at->first.starts_with(prefix); ++at) {
      const std::size_t end = at->first.find_first_not_of("0123456789", prefix.size());
      const std::string digits = at->first.substr(prefix.size(), end - prefix.size());
      if (!digits.empty() && digits.size() < 10) places.insert(std::stoll(digits));
    }
    return {places.begin(), places.end()};
  }
  std::int64_t Count(const std::string& prefix) const { return std::ssize(Below(prefix)); }
  bool AnyEndsWith(const std::string& ending) const {
    return std::any_of(shapes_.begin(), shapes_.end(),
                       [&](const auto& shape) { return shape.first.ends_with(ending); });
  }

 private:
  std::map<std::string, std::vector<std::int64_t>> shapes_;
};

// Once more with every name as `rename` gives it; "" leaves a tensor out.
template <typename Rename>
void RenameAll(NamedTensors& state, const Rename& rename) {
  NamedTensors renamed;
  for (auto& [name, tensor] : state)
    if (std::string to = rename(name, tensor); !to.empty())
      renamed.emplace_back(std::move(to), tensor);
  state = std::move(renamed);
}

std::string WithoutFirst(std::string text, const std::string& part) {
  if (const std::size_t at = text.find(part); at != text.npos) text.erase(at, part.size());
  return text;
}

// The other package's names of the plain network: one stream of hyper-connections is a residual;
// blocks without a linear transformer keep its place free.
void TakePackageNames(NamedTensors& state, std::vector<std::string>& notes) {
  const Shapes shapes(state);
  bool renamed = false;
  if (shapes.HasBelow("layers.0.") && shapes.AnyEndsWith(".branch.norm.gamma")) {
    RenameAll(state, [](const std::string& name, const torch::Tensor&) {
      return WithoutFirst(name, "branch.");
    });
    renamed = true;
  }
  if (shapes.Below("layers.0.") == Places{1, 2}) {
    RenameAll(state, [](const std::string& name, const torch::Tensor&) {
      if (!name.starts_with("layers.")) return name;
      const std::size_t dot = name.find('.', 7);
      std::string to = name;
      if (dot + 1 < to.size()) --to[dot + 1];  // 1 and 2 become 0 and 1
      return to;
    });
    renamed = true;
  }
  if (renamed)
    notes.push_back("the names are those of a later package (BS-RoFormer 0.4.1 and up); the network "
                    "is the same");
}

// Constants, and biases that are all zero, which an early file holds.
void DropWhatIsNoWeight(NamedTensors& state) {
  RenameAll(state, [](const std::string& name, const torch::Tensor& tensor) {
    const bool bias = name.ends_with(".to_qkv.bias") || name.ends_with(".to_out.0.bias");
    const bool dropped =
        IsConstant(name) || (bias && !tensor.to(torch::kFloat32).any().item<bool>());
    return dropped ? std::string() : name;
  });
}

// Of stereo or mono: the bins of all bands are those of a Fourier transform, whose length is a
// power of two where both would do.
void FindBsBands(const std::vector<std::int64_t>& widths, ModelPlan& plan) {
  std::int64_t sum = 0;
  for (const std::int64_t width : widths) sum += width;
  const auto length = [&](int channels) {
    const std::int64_t bins = sum / (2 * channels);
    return std::all_of(widths.begin(), widths.end(),
                       [&](std::int64_t width) { return width % (2 * channels) == 0; })
               ? 2 * (bins - 1)
               : 0;
  };
  const auto binary = [](std::int64_t n) { return n > 0 && (n & (n - 1)) == 0; };
  const int channels = length(2) > 0 && (binary(length(2)) || !binary(length(1))) ? 2 : 1;
  plan.seen.channels = channels;
  plan.model["stft_n_fft"] = length(channels);
  for (const std::int64_t width : widths)
    plan.model["freqs_per_bands"].push_back(width / (2 * channels));
}

// The rate, the length of the Fourier transform and the channels with which bands on the mel scale
// have these widths; where there are none such the configuration has to say them.
void FindMelBands(const std::vector<std::int64_t>& widths, ModelPlan& plan) {
  for (const int rate : {44100, 48000, 32000, 24000, 22050, 16000, 88200, 96000})
    for (const int n_fft : {2048, 4096, 1024, 8192, 512, 1536, 3072, 6144, 256, 128}) {
      const Bands bands = MelBands(rate, n_fft, std::ssize(widths));
      for (const int channels : {2, 1}) {
        if (!std::equal(widths.begin(), widths.end(), bands.begin(),
                        [&](std::int64_t width, const Band& band) {
                          return width == 2 * channels * band.bins;
                        }))
          continue;
        plan.model["stft_n_fft"] = n_fft;
        plan.seen.channels = channels;
        plan.seen.sample_rate_hz = rate;
        return;
      }
    }
}

PlannedWeights RoformerOf(NamedTensors state, const std::string& where) {
  PlannedWeights found;
  ModelPlan& plan = found.plan;
  TakePackageNames(state, plan.notes);
  DropWhatIsNoWeight(state);
  const Shapes shapes(state);
  const auto size = [&](const std::string& name, std::size_t dimension) {
    return shapes.Size(name, dimension, where);
  };
  const Places parts = shapes.Below("layers.0.");
  const bool linear = shapes.Has("layers.0.0.layers.0.0.to_qkv.0.weight");
  if (std::ssize(parts) != (linear ? 3 : 2))
    throw Error::Input("the blocks of the RoFormer have " + std::to_string(parts.size()) +
                           " transformers, not one along time and one along frequency",
                       where, "no such network is known");
  const std::string time = "layers.0." + std::to_string(parts[linear ? 1 : 0]) + ".layers.";
  const std::string freq = "layers.0." + std::to_string(parts[linear ? 2 : 1]) + ".layers.";
  const bool mel = !shapes.Has("final_norm.gamma");
  const std::int64_t dim = size("band_split.to_features.0.1.weight", 0);
  const std::int64_t heads = size(time + "0.0.to_gates.weight", 0);
  const std::int64_t bands = shapes.Count("band_split.to_features.");
  const std::string mask = "mask_estimators.0.to_freqs.0.0.";
  const std::int64_t linears = shapes.Count(mask);

  plan.model = {{"name", mel ? "mel_band_roformer" : "bs_roformer"},
                {"dim", dim},
                {"depth", shapes.Count("layers.")},
                {"time_transformer_depth", shapes.Count(time)},
                {"freq_transformer_depth", shapes.Count(freq)},
                {"linear_transformer_depth", linear ? shapes.Count("layers.0.0.layers.") : 0},
                {"dim_head", size(time + "0.0.to_qkv.weight", 0) / (3 * heads)},
                {"heads", heads},
                {"mask_estimator_depth", mel ? linears - 1 : linears},
                {"use_pope", shapes.AnyEndsWith(".pope_embed.bias")},
                {"value_residual", shapes.AnyEndsWith(".to_value_residual_mix.weight")}};
  if (linears > 1) plan.model["mlp_expansion_factor"] = size(mask + "0.weight", 0) / dim;
  std::vector<std::int64_t> widths;
  for (std::int64_t b = 0; b < bands; ++b)
    widths.push_back(size("band_split.to_features." + std::to_string(b) + ".0.gamma", 0));
  if (mel) {
    plan.model["num_bands"] = bands;
    FindMelBands(widths, plan);
  } else {
    FindBsBands(widths, plan);
  }
  plan.seen.stems = shapes.Count("mask_estimators.");
  found.parts = {std::move(state)};
  return found;
}

PlannedWeights ScnetOf(NamedTensors state, const std::string& where) {
  PlannedWeights found;
  ModelPlan& plan = found.plan;
  const Shapes shapes(state);
  const auto size = [&](const std::string& name, std::size_t dimension) {
    return shapes.Size(name, dimension, where);
  };
  const bool masked = shapes.HasBelow("mask_layer.");
  const std::int64_t levels = shapes.Count("encoder.");
  const std::int64_t bands = shapes.Count("encoder.0.SDlayer.convs.");
  OrderedJson dims = {size("encoder.0.SDlayer.convs.0.weight", 1)};
  for (std::int64_t i = 0; i < levels; ++i)
    dims.push_back(size("encoder." + std::to_string(i) + ".SDlayer.convs.0.weight", 0));
  OrderedJson kernels = OrderedJson::array(), depths = OrderedJson::array();
  for (std::int64_t b = 0; b < bands; ++b) {
    const std::string band = std::to_string(b);
    kernels.push_back(size("encoder.0.SDlayer.convs." + band + ".weight", 2));
    depths.push_back(shapes.Count("encoder.0.conv_modules." + band + ".layers."));
  }
  const std::string layer = "encoder.0.conv_modules.0.layers.0.";
  const std::string lstm = "separation_net.dp_modules.0.lstm_layers.0.weight_ih_l0";
  plan.model = {{"name", masked ? "scnet_masked" : "scnet"},
                {"dims", dims},
                {"band_kernel", kernels},
                {"conv_depths", depths},
                {"compress", 2 * size(layer + "1.weight", 1) / size(layer + "1.weight", 0)},
                {"conv_kernel", size(layer + "1.weight", 2)},
                {"num_dplayer", shapes.Count("separation_net.dp_modules.")},
                {"expand", size(lstm, 0) / 4 / size(lstm, 1)}};
  if (masked) plan.model["nfft"] = 2 * (size("pos_embed_f", 2) - 1);
  plan.seen.channels = static_cast<int>(dims[0].get<std::int64_t>() / 2);
  plan.seen.stems =
      size("decoder." + std::to_string(levels - 1) + ".1.convtrs.0.weight", 1) /
      dims[0].get<std::int64_t>();
  found.parts = {std::move(state)};
  return found;
}

PlannedWeights Mdx23cOf(NamedTensors state, const std::string& where) {
  PlannedWeights found;
  ModelPlan& plan = found.plan;
  const Shapes shapes(state);
  const auto size = [&](const std::string& name, std::size_t dimension) {
    return shapes.Size(name, dimension, where);
  };
  const std::string block = "encoder_blocks.0.tfc_tdf.blocks.0.";
  const std::string down = "encoder_blocks.0.downscale.conv.2.weight";
  const std::int64_t channels = size("first_conv.weight", 0);
  const std::int64_t planes = size("first_conv.weight", 1);  // re and im of each channel and subband
  // The linear layers are the tensors without bias that follow a normalisation, where there is one.
  const std::int64_t bins = size(block + "tdf.2.weight", 1);
  plan.model = {{"name", "mdx23c"},
                {"num_channels", channels},
                {"growth", size(down, 0) - channels},
                {"num_scales", shapes.Count("encoder_blocks.")},
                {"num_blocks_per_scale", shapes.Count("encoder_blocks.0.tfc_tdf.blocks.")},
                {"scale", {size(down, 2), size(down, 3)}},
                {"bottleneck_factor", bins / size(block + "tdf.2.weight", 0)}};
  if (shapes.Has(block + "tfc1.0.running_mean")) plan.model["norm"] = "BatchNorm";
  plan.seen.planes = planes;
  plan.seen.plane_bins = bins;
  plan.seen.stems = size("final_conv.2.weight", 0) / planes;
  found.parts = {std::move(state)};
  return found;
}

// What the names of a network are known by, and who measures it.
struct Network {
  std::vector<const char*> names;
  PlannedWeights (*measure)(NamedTensors state, const std::string& where);
};
const std::vector<Network>& Networks() {
  static const std::vector<Network> table = {
      {{"band_split.to_features.0.0.gamma", "band_split.to_features.0.1.weight",
        "mask_estimators.0.to_freqs.0.0.0.weight"},
       &RoformerOf},
      {{"encoder.0.SDlayer.convs.0.weight", "separation_net.dp_modules.0.lstm_layers.0.weight_ih_l0"},
       &ScnetOf},
      {{"first_conv.weight", "bottleneck_block.blocks.0.shortcut.weight", "final_conv.2.weight"},
       &Mdx23cOf},
  };
  return table;
}

}  // namespace

bool IsConstant(const std::string& name) {
  return name.ends_with(".rotary_embed.freqs") || name.ends_with(".pope_embed.inv_freqs");
}

std::optional<PlannedWeights> NetworkOf(const NamedTensors& state, const std::string& where) {
  for (const OtherNetwork& other : kOtherNetworks)
    for (const auto& [name, tensor] : state)
      if (Holds("." + name, other.part) && Holds(name, other.part_too))
        throw Error::Input(std::string("the weights are of ") + other.network +
                               ", which stemsmith does not have",
                           where, "see docs/import.md for the networks that it has");
  for (const Network& network : Networks()) {
    NamedTensors typical;
    for (const char* name : network.names) typical.emplace_back(name, torch::empty({0}));
    ChosenState chosen = ChooseState(state, typical);
    if (chosen.known < typical.size()) continue;
    const std::string note = chosen.Note();
    PlannedWeights found = network.measure(std::move(chosen.state), where);
    if (!note.empty()) found.plan.notes.push_back(note);
    return found;
  }
  return std::nullopt;
}

}  // namespace stemsmith
