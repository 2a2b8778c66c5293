// STFT, ISTFT and what is particular to complex tensors.
#include <limits>

#include "export/complex.h"
#include "export/dft.h"
#include "export/lowering.h"

namespace stemsmith {
namespace {

// The sizes that stft and istft share.
struct SpectralSizes {
  std::int64_t n_fft, hop;
  torch::Tensor window;  // [n_fft], as applied

  explicit SpectralSizes(Call& call) {
    n_fft = call.Int("n_fft");
    hop = call.Int("hop_length", n_fft / 4);
    const std::int64_t length = call.Int("win_length", n_fft);
    window = call.Has("window") ? call.ConstantTensor("window").to(torch::kFloat32)
                                : torch::ones({length});
    const std::int64_t left = (n_fft - length) / 2;
    window = torch::constant_pad_nd(window, {left, n_fft - length - left});
    if (!call.Bool("onesided", true)) call.Unsupported("onesided is false");
  }
  // Of hop, in a frame.
  std::int64_t pieces() const { return (n_fft + hop - 1) / hop; }
};

// [B, L] → frames [B, n_fft, N]. The signal is cut into blocks of hop: a frame is so many of them
// one below the other, of which the last may be cut off.
std::string Frames(Call& call, const std::string& signal, const LoweredInt& length,
                   const SpectralSizes& sizes) {
  GraphBuilder& b = call.b();
  const std::int64_t pieces = sizes.pieces(), rest = sizes.n_fft - (pieces - 1) * sizes.hop;
  // Whole blocks, as many as the frames need.
  const LoweredInt before = b.Add(length, sizes.hop - rest);
  const LoweredInt whole = b.Multiply(b.FloorDivide(before, sizes.hop), sizes.hop);
  std::string used = signal;
  if (rest < sizes.hop) used = b.Emit("Pad", {used, b.Ints({0, 0, 0, sizes.hop - rest})});
  if (!whole.known || whole.known != before.known) used = b.Slice(used, 1, 0, whole);
  const std::string blocks = b.Transpose(b.Reshape(used, {0, -1, sizes.hop}), {0, 2, 1});
  std::vector<std::string> parts;
  for (std::int64_t k = 0; k < pieces; ++k) {
    const std::int64_t end = k + 1 - pieces;  // counted from the end
    const std::string part = b.Slice(blocks, 2, k, end == 0 ? kEnd : end);
    parts.push_back(end == 0 && rest < sizes.hop ? b.Slice(part, 1, 0, rest) : part);
  }
  return parts.size() == 1 ? parts.front() : b.Concat(parts, 1);
}

void Stft(Call& call) {
  GraphBuilder& b = call.b();
  const LoweredTensor x = call.Tensor("self");
  const SpectralSizes sizes(call);
  if (x.complex()) call.Unsupported("its input is complex");
  if (!c10::isComplexType(call.Out().type)) call.Unsupported("return_complex is false");
  if (call.Bool("align_to_window", false)) call.Unsupported("align_to_window is true");

  std::string signal = x.rank() == 1 ? b.Unsqueeze(x.name, {0}) : x.name;
  LoweredInt length = b.Dimension(x, x.rank() - 1);
  if (call.Bool("center", false)) {
    const std::int64_t half = sizes.n_fft / 2;
    const std::string mode = call.String("pad_mode", "reflect");
    if (mode != "reflect" && mode != "constant") call.Unsupported("pad_mode " + mode);
    signal = b.Emit("Pad", {signal, b.Ints({0, half, 0, half})}, {{"mode", mode}});
    length = b.Add(length, 2 * half);
  }
  torch::Tensor window = sizes.window;
  if (call.Bool("normalized", false)) {
    window = window / std::sqrt(static_cast<double>(sizes.n_fft));
  }
  const std::string windowed =
      b.Emit("Mul", {Frames(call, signal, length, sizes), b.Tensor(window.unsqueeze(1))});
  const std::string spectrum = FactoredDft(sizes.n_fft).Forward(b, windowed);
  call.Return(x.rank() == 1 ? b.Squeeze(spectrum, {0}) : spectrum);
}

// Frames [B, n_fft, N] → their sum at distances of hop, [B, (N + K) · hop], where K = n_fft / hop,
// rounded up: what lies behind the last frame is empty. As K pieces of hop rows with K empty columns
// behind each row, read on as pieces that are one element shorter: piece k has moved by k columns.
std::string ShiftedSum(GraphBuilder& b, const std::string& frames, const SpectralSizes& sizes) {
  const std::int64_t pieces = sizes.pieces(), rows = pieces * sizes.hop - sizes.n_fft;
  const std::string padded = b.Emit("Pad", {frames, b.Ints({0, 0, 0, 0, rows, pieces})});
  const std::string flat = b.Slice(b.Reshape(padded, {0, -1}), 1, 0, -pieces);
  const std::string sum = b.ReduceSum(b.Reshape(flat, {0, pieces, -1}), {1}, /*keep=*/false);
  const std::string whole = b.Emit("Pad", {sum, b.Ints({0, 0, 0, 1})});
  return b.Reshape(b.Transpose(b.Reshape(whole, {0, sizes.hop, -1}), {0, 2, 1}), {0, -1});
}

void Istft(Call& call) {
  GraphBuilder& b = call.b();
  const LoweredTensor x = call.Tensor("self");  // [B, F, N] complex
  const SpectralSizes sizes(call);
  const auto frames_dim = static_cast<std::size_t>(x.rank()) - 1;
  if (!x.complex()) call.Unsupported("its input is not complex");
  if (call.Bool("return_complex", false)) call.Unsupported("return_complex is true");

  const std::string spectrum = x.rank() == 2 ? b.Unsqueeze(x.name, {0}) : x.name;
  const LoweredInt count = b.Dimension(x, static_cast<int>(frames_dim));
  const std::string frames = FactoredDft(sizes.n_fft).Inverse(b, spectrum);
  const bool normalized = call.Bool("normalized", false);
  const torch::Tensor window =
      normalized ? sizes.window * std::sqrt(static_cast<double>(sizes.n_fft)) : sizes.window;
  std::string signal = ShiftedSum(b, b.Emit("Mul", {frames, b.Tensor(window.unsqueeze(1))}), sizes);
  // What the windows add up to: the same sum of as many squared windows.
  const std::string squares = b.Tensor(sizes.window.square().unsqueeze(1));
  const std::string all =
      b.Emit("Expand", {squares, b.IntList({LoweredInt(1), LoweredInt(sizes.n_fft), count})});
  std::string envelope = ShiftedSum(b, all, sizes);

  // The division comes after the slice: outside of it the envelope may be 0.
  const std::int64_t start = call.Bool("center", true) ? sizes.n_fft / 2 : 0;
  LoweredInt end = kEnd;
  if (call.Has("length")) {
    end = b.Add(call.DynamicInt("length"), start);
    const std::int64_t traced_frames = x.shape[frames_dim];
    const bool known = end.known && traced_frames != TracedTensor::kVaries;
    if (known && *end.known > sizes.n_fft + sizes.hop * (traced_frames - 1)) {
      call.Unsupported("its length goes beyond the last frame");
    }
  } else {
    end = sizes.n_fft - start - (sizes.pieces() + 1) * sizes.hop;
  }
  signal = b.Slice(signal, 1, start, end);
  envelope = b.Slice(envelope, 1, start, end);
  const std::string result = b.Emit("Div", {signal, envelope});
  call.Return(x.rank() == 2 ? b.Squeeze(result, {0}) : result);
}

void ViewAsReal(Call& call) { call.Return(call.Tensor("self").name); }

std::string Part(Call& call, std::int64_t index) {
  GraphBuilder& b = call.b();
  const auto known = b.notes().parts.find(call.Tensor("self").name);
  if (known != b.notes().parts.end())
    return index == 0 ? known->second.first : known->second.second;
  return b.Emit("Gather", {call.Tensor("self").name, b.Tensor(torch::tensor(index))},
                {{"axis", std::int64_t{-1}}});
}

void Real(Call& call) {
  if (!call.Tensor("self").complex()) return call.ReturnArgument("self");
  call.Return(Part(call, 0));
}
void Imaginary(Call& call) { call.Return(Part(call, 1)); }

void Conjugate(Call& call) {
  if (!call.Tensor("self").complex()) return call.ReturnArgument("self");
  const std::string signs = call.b().Tensor(torch::tensor({1.0f, -1.0f}));
  call.Return(call.b().Emit("Mul", {call.Tensor("self").name, signs}));
}

std::string Joined(GraphBuilder& b, const std::string& real, const std::string& imaginary) {
  const std::string joined =
      b.Concat({b.Unsqueeze(real, {-1}), b.Unsqueeze(imaginary, {-1})}, -1);
  b.notes().parts.emplace(joined, std::pair(real, imaginary));
  return joined;
}

void Complex(Call& call) {
  call.Return(Joined(call.b(), call.Tensor("real").name, call.Tensor("imag").name));
}

void Polar(Call& call) {
  GraphBuilder& b = call.b();
  const std::string magnitude = call.Tensor("abs").name, angle = call.Tensor("angle").name;
  call.Return(Joined(b, b.Emit("Mul", {magnitude, b.Emit("Cos", {angle})}),
                     b.Emit("Mul", {magnitude, b.Emit("Sin", {angle})})));
}

// The factor of a transform of n samples, for the convention `norm`.
double TransformScale(Call& call, std::int64_t n, const char* whole) {
  const std::string norm = call.String("norm", "backward");
  if (norm == "ortho") return 1.0 / std::sqrt(static_cast<double>(n));
  return norm == whole ? 1.0 / static_cast<double>(n) : 1.0;
}

// The length of the last dimension, along which alone there is a transform.
std::int64_t TransformLength(Call& call) {
  const LoweredTensor x = call.Tensor("self");
  const std::int64_t length = x.shape.back();
  if (call.Dim("dim", x) != x.rank() - 1) call.Unsupported("it is not along the last dimension");
  if (length == TracedTensor::kVaries) call.Unsupported("its length varies");
  return length;
}

void RealFft(Call& call) {
  GraphBuilder& b = call.b();
  const std::int64_t n = TransformLength(call);
  if (call.Int("n", n) != n) call.Unsupported("it pads or trims");
  const auto matrices = DftMatrices::Forward(n, TransformScale(call, n, "forward"));
  const std::string x = call.Tensor("self").name;
  call.Return(Joined(b, b.Emit("MatMul", {x, b.Tensor(matrices.real)}),
                     b.Emit("MatMul", {x, b.Tensor(matrices.imaginary)})));
}

void InverseRealFft(Call& call) {
  GraphBuilder& b = call.b();
  const std::int64_t n = 2 * (TransformLength(call) - 1);
  if (call.Int("n", n) != n) call.Unsupported("it pads or trims");
  if (n < 2) call.Unsupported("it has a single bin");
  const auto matrices = DftMatrices::Inverse(n, TransformScale(call, n, "backward"));
  call.Return(b.Emit("Add", {b.Emit("MatMul", {Part(call, 0), b.Tensor(matrices.real)}),
                             b.Emit("MatMul", {Part(call, 1), b.Tensor(matrices.imaginary)})}));
}

}  // namespace

const RuleTable& SpectralRules() {
  static const RuleTable table = {
      {"aten::stft", Stft},
      {"aten::istft", Istft},
      {"aten::fft_rfft", RealFft},
      {"aten::fft_irfft", InverseRealFft},
      {"aten::view_as_real", ViewAsReal},
      {"aten::view_as_complex", ViewAsReal},
      {"aten::real", Real},
      {"aten::imag", Imaginary},
      {"aten::conj", Conjugate},
      {"aten::_conj", Conjugate},
      {"aten::complex", Complex},
      {"aten::polar", Polar},
  };
  return table;
}

}  // namespace stemsmith
