#include "models/operator_cost.h"

#include <ATen/WrapDimUtils.h>

#include <map>

namespace stemsmith::model_cost {
namespace {

using torch::Tensor;

void Count(double macs) {
  if (totals != nullptr) totals->macs += macs;
}

double Numel(const Tensor& tensor) { return static_cast<double>(tensor.numel()); }

std::vector<Tensor> Convolution(const Arguments& arguments) {
  const Tensor input = arguments["input"].toTensor(), weight = arguments["weight"].toTensor();
  const auto stride = arguments["stride"].toIntVector(),
             padding = arguments["padding"].toIntVector(),
             dilation = arguments["dilation"].toIntVector(),
             extra = arguments["output_padding"].toIntVector();
  const bool transposed = arguments["transposed"].toBool();
  const auto at = [](const std::vector<std::int64_t>& values, std::size_t i) {
    return values.size() == 1 ? values[0] : values[i];
  };
  std::vector<std::int64_t> shape = {
      input.size(0), transposed ? weight.size(1) * arguments["groups"].toInt() : weight.size(0)};
  for (std::int64_t d = 2; d < input.dim(); ++d) {
    const auto i = static_cast<std::size_t>(d - 2);
    const std::int64_t kernel = at(dilation, i) * (weight.size(d) - 1) + 1;
    shape.push_back(transposed ? (input.size(d) - 1) * at(stride, i) - 2 * at(padding, i) + kernel +
                                     at(extra, i)
                               : (input.size(d) + 2 * at(padding, i) - kernel) / at(stride, i) + 1);
  }
  const Tensor result = Result(shape, input, input.scalar_type());
  const double per_element = Numel(weight) / static_cast<double>(weight.size(0));
  Count(per_element * Numel(transposed ? input : result));
  Keep(input);
  return {result};
}

// LSTM and GRU; `states` tensors of state behind the output.
std::vector<Tensor> Recurrent(const Arguments& arguments, std::size_t states) {
  const Tensor input = arguments["input"].toTensor();
  const auto weights = arguments["params"].toTensorVector();
  const std::int64_t layers = arguments["num_layers"].toInt();
  const std::int64_t directions = arguments["bidirectional"].toBool() ? 2 : 1;
  const std::int64_t hidden = weights[1].size(1), gates = weights[0].size(0);
  const double steps = Numel(input) / static_cast<double>(input.size(2));
  for (const Tensor& weight : weights) {
    if (weight.dim() == 2) Count(steps * Numel(weight));
  }
  std::vector<std::int64_t> shape = input.sizes().vec();
  shape.back() = hidden * directions;
  std::vector<Tensor> results = {Result(shape, input, input.scalar_type())};
  const std::int64_t batch = input.size(arguments["batch_first"].toBool() ? 0 : 1);
  for (std::size_t i = 0; i < states; ++i)
    results.push_back(Result({layers * directions, batch, hidden}, input, input.scalar_type()));
  Keep(input);
  if (torch::GradMode::is_enabled()) {
    // Gates and states of every step.
    shape.back() = (gates + hidden) * directions * layers;
    Keep(torch::empty(shape, input.options()));
  }
  return results;
}
std::vector<Tensor> Lstm(const Arguments& arguments) { return Recurrent(arguments, 2); }
std::vector<Tensor> Gru(const Arguments& arguments) { return Recurrent(arguments, 1); }

std::vector<Tensor> Attention(const Arguments& arguments) {
  const Tensor query = arguments["query"].toTensor(), key = arguments["key"].toTensor(),
               value = arguments["value"].toTensor();
  std::vector<std::int64_t> shape = query.sizes().vec();
  shape.back() = value.size(-1);
  Count(Numel(query) * static_cast<double>(key.size(-2)) +
        Numel(query) / static_cast<double>(query.size(-1)) * static_cast<double>(key.size(-2)) *
            static_cast<double>(value.size(-1)));
  for (const Tensor& tensor : {query, key, value}) Keep(tensor);
  return {Result(shape, query, query.scalar_type())};
}

std::vector<Tensor> Stft(const Arguments& arguments) {
  const Tensor x = arguments["self"].toTensor();
  const std::int64_t n_fft = arguments["n_fft"].toInt();
  const std::int64_t hop = arguments.Int("hop_length", n_fft / 4);
  std::vector<std::int64_t> shape = x.sizes().vec();
  const std::int64_t length = shape.back() + (arguments["center"].toBool() ? n_fft : 0);
  shape.back() = n_fft / 2 + 1;
  shape.push_back((length - n_fft) / hop + 1);
  return {Result(shape, x, torch::kComplexFloat)};
}

std::vector<Tensor> Istft(const Arguments& arguments) {
  const Tensor x = arguments["self"].toTensor();
  const std::int64_t n_fft = arguments["n_fft"].toInt();
  const std::int64_t hop = arguments.Int("hop_length", n_fft / 4);
  std::vector<std::int64_t> shape = x.sizes().vec();
  const std::int64_t frames = shape.back();
  shape.pop_back();
  const std::int64_t whole = (frames - 1) * hop + (arguments["center"].toBool() ? 0 : n_fft);
  shape.back() = arguments.Int("length", whole);
  return {Result(shape, x, torch::kFloat)};
}

// Of a whole dimension; back, of an even one.
Tensor RealTransform(const Arguments& arguments, bool back) {
  const Tensor x = arguments["self"].toTensor();
  std::vector<std::int64_t> shape = x.sizes().vec();
  std::int64_t& size = shape.at(static_cast<std::size_t>(
      at::maybe_wrap_dim(arguments["dim"].toInt(), static_cast<std::int64_t>(shape.size()))));
  size = back ? 2 * (size - 1) : size / 2 + 1;
  return Result(shape, x, back ? torch::kFloat : torch::kComplexFloat);
}
std::vector<Tensor> Rfft(const Arguments& arguments) { return {RealTransform(arguments, false)}; }
std::vector<Tensor> Irfft(const Arguments& arguments) { return {RealTransform(arguments, true)}; }

std::vector<Tensor> Complex(const Arguments& arguments) {
  const Tensor real = arguments["real"].toTensor();
  return {Result(real.sizes(), real, torch::kComplexFloat)};
}

// Normalisations: the shape stays.
std::vector<Tensor> Normalization(const Arguments& arguments) {
  const Tensor input = arguments["input"].toTensor();
  Keep(input);
  return {Result(input.sizes(), input, input.scalar_type())};
}

std::vector<Tensor> Magnitude(const Arguments& arguments) {
  const Tensor x = arguments["self"].toTensor();
  Keep(x);
  return {Result(x.sizes(), x, c10::toRealValueType(x.scalar_type()))};
}

// Deviation and variance have the shape of the mean.
std::vector<Tensor> Deviation(const Arguments& arguments) {
  const Tensor x = arguments["self"].toTensor();
  Keep(x);
  if (arguments["dim"].isNone()) return {x.mean()};
  return {x.mean(arguments["dim"].toIntVector(), arguments["keepdim"].toBool())};
}
std::vector<Tensor> DeviationAndMean(const Arguments& arguments) {
  const Tensor one = Deviation(arguments).front();
  return {one, one.clone()};
}

std::vector<Tensor> Random(const Arguments& arguments) { return {arguments["self"].toTensor()}; }

}  // namespace

Tensor Result(at::IntArrayRef shape, const Tensor& like, torch::ScalarType type) {
  Tensor result = torch::empty(shape, like.options().dtype(type));
  // So that the operators behind keep what they need for a backward pass.
  if (torch::GradMode::is_enabled()) result.requires_grad_(true);
  return result;
}

void Keep(const Tensor& tensor) {
  if (torch::GradMode::is_enabled() && totals != nullptr) totals->kept.push_back(tensor);
}

Replacement FindReplacement(const std::string& name) {
  static const std::map<std::string, Replacement> table = {
      {"aten::convolution", Convolution},
      {"aten::lstm.input", Lstm},
      {"aten::gru.input", Gru},
      {"aten::scaled_dot_product_attention", Attention},
      {"aten::stft.center", Stft},
      {"aten::istft", Istft},
      {"aten::complex", Complex},
      {"aten::fft_rfft", Rfft},
      {"aten::fft_irfft", Irfft},
      {"aten::batch_norm", Normalization},
      {"aten::group_norm", Normalization},
      {"aten::layer_norm", Normalization},
      {"aten::instance_norm", Normalization},
      {"aten::abs", Magnitude},
      {"aten::std.correction", Deviation},
      {"aten::var.correction", Deviation},
      {"aten::std_mean.correction", DeviationAndMean},
      {"aten::var_mean.correction", DeviationAndMean},
      {"aten::normal_", Random},
      {"aten::uniform_", Random},
  };
  const auto row = table.find(name);
  return row == table.end() ? nullptr : row->second;
}

void CountProduct(const std::string& name, const Arguments& arguments) {
  const bool added = name == "aten::addmm" || name == "aten::baddbmm";
  if (!added && name != "aten::mm" && name != "aten::bmm") return;
  const bool batched = name == "aten::bmm" || name == "aten::baddbmm";
  const char* first = !added ? "self" : batched ? "batch1" : "mat1";
  const char* second = added && batched ? "batch2" : "mat2";
  const Tensor a = arguments[first].toTensor(), b = arguments[second].toTensor();
  Count(Numel(a) * static_cast<double>(b.size(-1)));
}

}  // namespace stemsmith::model_cost
