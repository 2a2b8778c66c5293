#include "export/convolution.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "models/layers/convolution_forms.h"

namespace stemsmith {
namespace {

// Less narrow results are not worth the detour.
constexpr std::int64_t kNarrowerBy = 4;
// Strided convolutions of less channels are wrong in bfloat16 in runtimes that use oneDNN with AMX.
constexpr std::int64_t kFewChannels = 32;

bool AllAre(const std::vector<std::int64_t>& values, std::int64_t value) {
  return std::all_of(values.begin(), values.end(), [&](std::int64_t v) { return v == value; });
}

std::string Plain(GraphBuilder& b, const Convolution& c) {
  OnnxAttributes attributes = {
      {"strides", c.strides},
      {"dilations", c.dilations},
      {"pads", c.pads},
      {"group", c.groups},
      {"kernel_shape",
       std::vector<std::int64_t>(c.weight.shape.begin() + 2, c.weight.shape.end())}};
  if (!c.output_padding.empty()) attributes["output_padding"] = c.output_padding;
  std::vector<std::string> inputs = {c.input.name, c.weight.name};
  if (!c.bias.empty()) inputs.push_back(c.bias);
  return b.Emit(c.transposed ? "ConvTranspose" : "Conv", inputs, attributes);
}

// A convolution of stride 1 in one group.
std::string Dense(GraphBuilder& b, const std::string& x, const torch::Tensor& weight,
                  const std::string& bias, std::vector<std::int64_t> pads) {
  std::vector<std::string> inputs = {x, b.Tensor(weight)};
  if (!bias.empty()) inputs.push_back(bias);
  const std::vector<std::int64_t> ones(static_cast<std::size_t>(weight.dim() - 2), 1);
  return b.Emit("Conv", inputs,
                {{"strides", ones},
                 {"dilations", ones},
                 {"pads", std::move(pads)},
                 {"group", std::int64_t{1}},
                 {"kernel_shape", weight.sizes().slice(2).vec()}});
}

bool Narrows(const Convolution& c) {
  if (c.transposed || c.weight.rank() != 3 || c.groups != 1 || c.strides[0] != 1) return false;
  const std::int64_t taps = c.weight.shape[2], reach = c.dilations[0] * (taps / 2);
  if (c.input.shape[2] <= reach) return false;  // or varies: nothing would be left of an outer tap
  return taps > 1 && taps % 2 == 1 && AllAre(c.pads, reach) &&
         c.weight.shape[1] >= kNarrowerBy * c.weight.shape[0];
}

// [B, C, T] so many steps later, or earlier where that is negative; what moves out of T is cut off.
// As a slice and a padding, which every engine computes.
std::string Shifted(GraphBuilder& b, const std::string& x, std::int64_t later) {
  if (later == 0) return x;
  const std::string kept = later > 0 ? b.Slice(x, 2, 0, -later) : b.Slice(x, 2, -later, INT64_MAX);
  return b.Emit("Pad", {kept, b.Ints({0, 0, std::max<std::int64_t>(later, 0), 0, 0,
                                      std::max<std::int64_t>(-later, 0)})});
}

// [B, Cin, T] → [B, Cout, T].
std::string ByTaps(GraphBuilder& b, const Convolution& c, const torch::Tensor& weight) {
  const std::int64_t taps = weight.size(2);
  const std::string all =
      Dense(b, c.input.name, weight.permute({2, 0, 1}).flatten(0, 1).unsqueeze(2), "",
            {0, 0});  // [B, taps · Cout, T]
  const std::vector<std::string> parts = b.Split(all, 1, static_cast<std::size_t>(taps));
  std::string sum;
  for (std::int64_t tap = 0; tap < taps; ++tap) {
    const std::int64_t later = (taps / 2 - tap) * c.dilations[0];
    const std::string part = Shifted(b, parts[static_cast<std::size_t>(tap)], later);
    sum = sum.empty() ? part : b.Emit("Add", {sum, part});
  }
  if (c.bias.empty()) return sum;
  return b.Emit("Add", {sum, b.Tensor(b.ConstantOf(c.bias).unsqueeze(1))});
}

// Strided along the first spatial dimension, and along a second one of width 1.
bool MovesAlongOne(const Convolution& c) {
  if (!c.transposed || c.groups != 1 || !AllAre(c.dilations, 1)) return false;
  const auto spatial = c.strides.size();
  for (std::size_t d = 1; d < spatial; ++d) {
    if (c.strides[d] != 1 || c.weight.shape[d + 2] != 1 || c.pads[d] != 0 ||
        c.pads[d + spatial] != 0 || (!c.output_padding.empty() && c.output_padding[d] != 0))
      return false;
  }
  return c.strides[0] > 1 && c.weight.shape[2] >= c.strides[0];
}

// [B, Cin, T, ..] → [B, Cout, (T + extra) · stride, ..]. Step n of phase p is place n · stride + p
// + pad of the whole, which is the sum over j of tap (place mod stride + j · stride) and the
// input's step (place / stride - j). Nothing where phases are not equally long or would need steps
// cut off.
std::optional<std::string> ByPhases(GraphBuilder& b, const Convolution& c,
                                    const torch::Tensor& weight) {
  if (!MovesAlongOne(c)) return std::nullopt;
  const auto spatial = c.strides.size();
  const std::int64_t kernel = weight.size(2), stride = c.strides[0], begin = c.pads[0];
  const std::int64_t size =
      kernel - begin - c.pads[spatial] + (c.output_padding.empty() ? 0 : c.output_padding[0]);
  if (size % stride != 0) return std::nullopt;
  const std::int64_t extra = size / stride - 1;
  std::vector<std::string> phases;
  for (std::int64_t p = 0; p < stride; ++p) {
    const std::int64_t first = (p + begin) % stride, ahead = (p + begin) / stride;
    const torch::Tensor taps =
        weight.slice(2, first, kernel, stride).flip(2).transpose(0, 1).contiguous();
    std::vector<std::int64_t> pads(2 * spatial, 0);
    pads[0] = taps.size(2) - 1 - ahead;
    pads[spatial] = extra + ahead;
    if (pads[0] < 0 || pads[spatial] < 0) return std::nullopt;
    phases.push_back(b.Unsqueeze(Dense(b, c.input.name, taps, c.bias, std::move(pads)), {3}));
  }
  std::vector<LoweredInt> shape = {0, weight.size(1),
                                   b.Multiply(b.Add(b.Dimension(c.input, 2), extra), stride)};
  if (spatial == 2) shape.push_back(b.Dimension(c.input, 3));
  return b.Reshape(b.Concat(phases, 3), shape);
}

bool Folds(const Convolution& c, const torch::Tensor& weight) {
  if (c.transposed || c.weight.shape[1] >= kFewChannels || !AllAre(c.dilations, 1)) return false;
  const std::vector<std::int64_t> none(c.strides.size(), 0);
  const ConvolutionSpec spec{c.strides, none, c.dilations, none, c.groups};
  // More taps are few where there is one dimension.
  return c.strides.size() == 1 ? HasDenseForm(weight, spec) : DenseFormFits(weight, spec);
}

// [B, C, T, ..] → [B, C · stride, T / stride, ..], then a convolution of stride 1.
std::string ByNeighbours(GraphBuilder& b, const Convolution& c, const torch::Tensor& weight) {
  const torch::Tensor dense = DenseWeight(weight, c.strides);
  const std::size_t spatial = c.strides.size();
  std::vector<LoweredInt> begin(spatial + 2, 0), end = begin;
  std::vector<LoweredInt> split = {0, weight.size(1)}, folded = {0, dense.size(1)};
  std::vector<std::int64_t> pads = c.pads, steps_at, neighbours_at;
  std::vector<std::pair<std::int64_t, LoweredInt>> cut;  // dimension, its size
  for (std::size_t d = 0; d < spatial; ++d) {
    const std::int64_t stride = c.strides[d];
    LoweredInt steps = b.Dimension(c.input, static_cast<int>(d) + 2);
    if (stride > 1) {
      const std::int64_t padding = c.pads[d] + c.pads[d + spatial];
      const LoweredInt size = steps;
      const std::int64_t kernel = c.weight.shape[d + 2];
      const std::int64_t blocks = dense.size(static_cast<std::int64_t>(d) + 2);
      steps = b.Add(b.FloorDivide(b.Add(size, padding - kernel), stride), blocks);
      begin[d + 2] = c.pads[d];
      // What the strides leave over takes so much less; where it may be more, the rest is cut off.
      const LoweredInt taken = b.Multiply(steps, stride);
      const std::int64_t most = c.pads[d + spatial] + blocks * stride - kernel;
      const std::int64_t over = size.known ? (*size.known + padding - kernel) % stride : stride - 1;
      if (most < over) {
        end[d + 2] = most;
        cut.emplace_back(static_cast<std::int64_t>(d) + 2, taken);
      } else {
        end[d + 2] = b.Subtract(taken, b.Add(size, c.pads[d]));
      }
      pads[d] = pads[d + spatial] = 0;
    }
    steps_at.push_back(static_cast<std::int64_t>(split.size()));
    split.push_back(steps);
    folded.push_back(steps);
    if (stride == 1) continue;
    neighbours_at.push_back(static_cast<std::int64_t>(split.size()));
    split.push_back(stride);
  }
  std::string x = c.input.name;
  begin.insert(begin.end(), end.begin(), end.end());
  const bool whole =
      std::all_of(begin.begin(), begin.end(), [](const LoweredInt& n) { return n.known == 0; });
  if (!whole) x = b.Emit("Pad", {x, b.IntList(begin)});
  for (const auto& [dim, size] : cut) x = b.Slice(x, dim, 0, size);
  std::vector<std::int64_t> order = {0, 1};
  order.insert(order.end(), neighbours_at.begin(), neighbours_at.end());
  order.insert(order.end(), steps_at.begin(), steps_at.end());
  x = b.Reshape(b.Transpose(b.Reshape(x, split), order), folded);
  return Dense(b, x, dense, c.bias, std::move(pads));
}

}  // namespace

std::string Convolve(GraphBuilder& b, const Convolution& c) {
  const torch::Tensor weight = b.ConstantOf(c.weight.name);
  const bool known = weight.defined() && (c.bias.empty() || b.ConstantOf(c.bias).defined());
  if (known && Narrows(c)) return ByTaps(b, c, weight);
  if (known && Folds(c, weight)) return ByNeighbours(b, c, weight);
  if (known) {
    if (const auto phases = ByPhases(b, c, weight)) return *phases;
  }
  return Plain(b, c);
}

}  // namespace stemsmith
