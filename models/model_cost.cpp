#include "models/model_cost.h"

#include <ATen/ExpandUtils.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/current_error.h"
#include "core/error.h"

namespace stemsmith {
namespace model_cost {
namespace {

using c10::DispatchKey;
using torch::Tensor;
using torch::jit::Stack;

// This key is on no tensor and above all others that matter here: its fallback sees every operator.
constexpr DispatchKey kKey = DispatchKey::TESTING_ONLY_GenericMode;

// Counts bytes that tensors without data would take.
class CountingAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    live_ += static_cast<std::int64_t>(bytes);
    peak_ = std::max(peak_, live_);
    return {nullptr, new std::size_t(bytes), &Free, c10::Device(c10::DeviceType::Meta)};
  }
  void copy_data(void*, const void*, std::size_t) const override {}
  std::int64_t live() const { return live_; }
  std::int64_t peak() const { return peak_; }
  void ResetPeak() { peak_ = live_; }

 private:
  static void Free(void* context);
  std::int64_t live_ = 0, peak_ = 0;
};

CountingAllocator& Counter() {
  static CountingAllocator counter;
  return counter;
}

void CountingAllocator::Free(void* context) {
  const auto* bytes = static_cast<std::size_t*>(context);
  Counter().live_ -= static_cast<std::int64_t>(*bytes);
  delete bytes;
}

// What the operators of one pass have come to.
struct Totals {
  double macs = 0;
  std::vector<Tensor> kept;  // inputs that operators replaced here would keep for their gradients
};
thread_local Totals* totals = nullptr;

// The arguments of the operator called, by name.
class Arguments {
 public:
  Arguments(const c10::OperatorHandle& op, const Stack& stack)
      : schema_(op.schema()), first_(stack.size() - schema_.arguments().size()), stack_(stack) {}
  const c10::IValue& operator[](const char* name) const {
    const auto index = schema_.argumentIndexWithName(name);
    TORCH_CHECK(index.has_value(), schema_.name(), " has no argument ", name);
    return stack_[first_ + static_cast<std::size_t>(*index)];
  }
  std::int64_t Int(const char* name, std::int64_t fallback) const {
    const c10::IValue& value = (*this)[name];
    return value.isNone() ? fallback : value.toInt();
  }

 private:
  const c10::FunctionSchema& schema_;
  std::size_t first_;
  const Stack& stack_;
};

Tensor Result(at::IntArrayRef shape, const Tensor& like, torch::ScalarType type) {
  Tensor result = torch::empty(shape, like.options().dtype(type));
  // So that the operators behind keep what they need for a backward pass.
  if (torch::GradMode::is_enabled()) result.requires_grad_(true);
  return result;
}

void Keep(const Tensor& tensor) {
  if (torch::GradMode::is_enabled() && totals != nullptr) totals->kept.push_back(tensor);
}

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

using Replacement = std::vector<Tensor> (*)(const Arguments& arguments);

// Operators that do not run without data, or that would be long in doing so.
Replacement FindReplacement(const std::string& name) {
  static const std::map<std::string, Replacement> table = {
      {"aten::convolution", Convolution},
      {"aten::lstm.input", Lstm},
      {"aten::gru.input", Gru},
      {"aten::scaled_dot_product_attention", Attention},
      {"aten::stft.center", Stft},
      {"aten::istft", Istft},
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

// Operators that were found not to run without data: all that the models use are elementwise.
std::set<std::string>& Elementwise() {
  thread_local std::set<std::string> names;
  return names;
}

// One result with the shape that all tensors among the arguments broadcast to.
void RunElementwise(const c10::FunctionSchema& schema, Stack* stack) {
  const std::size_t count = schema.arguments().size(), first = stack->size() - count;
  const bool in_place = schema.name().back() == '_';
  std::vector<std::int64_t> shape;
  Tensor last, self;
  for (std::size_t i = 0; i < count; ++i) {
    const c10::IValue& value = (*stack)[first + i];
    if (!value.isTensor()) continue;
    last = value.toTensor();
    if (!self.defined()) self = last;
    shape = at::infer_size(shape, last.sizes());
    Keep(last);
  }
  TORCH_CHECK(last.defined() && schema.returns().size() == 1, schema.name(),
              " does not run without data");
  stack->resize(first);
  stack->emplace_back(in_place ? self : Result(shape, last, last.scalar_type()));
}

void OnOperator(const c10::OperatorHandle& op, c10::DispatchKeySet keys, Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const std::size_t count = schema.arguments().size(), first = stack->size() - count;
  std::string name = schema.name();
  if (!schema.overload_name().empty()) name += "." + schema.overload_name();
  {
    const Arguments arguments(op, *stack);
    if (const Replacement replacement = FindReplacement(name); replacement != nullptr) {
      const std::vector<Tensor> results = replacement(arguments);
      stack->erase(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
      for (const Tensor& result : results) stack->emplace_back(result);
      return;
    }
    CountProduct(name, arguments);
  }
  if (name == "aten::_local_scalar_dense") {
    // A number read out of a tensor: any will do.
    stack->back() = 1.0;
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    c10::TypePtr type = schema.arguments()[i].type();
    if (const auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
    if (type->kind() == c10::TypeKind::DeviceObjType)
      (*stack)[first + i] = c10::Device(c10::DeviceType::Meta);
  }
  if (Elementwise().contains(name)) return RunElementwise(schema, stack);
  const Stack saved(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
  try {
    op.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, kKey), stack);
  } catch (const c10::NotImplementedError&) {
    stack->resize(first);
    stack->insert(stack->end(), saved.begin(), saved.end());
    RunElementwise(schema, stack);
    Elementwise().insert(name);
  }
}

// While it lives, all tensors made on this thread are without data and all operators are seen.
class WithoutData {
 public:
  WithoutData() : former_(c10::GetAllocator(c10::DeviceType::Meta)), guard_(Register()) {
    c10::SetAllocator(c10::DeviceType::Meta, &Counter(), kPriority);
  }
  ~WithoutData() { c10::SetAllocator(c10::DeviceType::Meta, former_, kPriority); }

 private:
  static constexpr std::uint8_t kPriority = 255;
  static DispatchKey Register() {
    static torch::Library library(torch::Library::IMPL, "_", kKey, __FILE__, __LINE__);
    static const bool once =
        (library.fallback(torch::CppFunction::makeFromBoxedFunction<&OnOperator>()), true);
    (void)once;
    return kKey;
  }

  c10::Allocator* former_;
  c10::impl::IncludeDispatchKeyGuard guard_;
};

// Collects the totals of one pass.
class Pass {
 public:
  Pass() : before_(Counter().live()) {
    Counter().ResetPeak();
    totals = &totals_;
  }
  ~Pass() { totals = nullptr; }
  double macs() const { return totals_.macs; }
  std::int64_t added_bytes() const { return Counter().live() - before_; }
  std::int64_t peak_bytes() const { return Counter().peak() - before_; }

 private:
  std::int64_t before_;
  Totals totals_;
};

}  // namespace
}  // namespace model_cost

ModelCost MeasureCost(const Config& config, const ModelSetting& setting, std::int64_t frames,
                      std::int64_t batch) {
  const model_cost::WithoutData without_data;
  const auto model = MakeModel(config, setting);
  ModelCost cost;
  std::int64_t weight_bytes = 0, gradient_bytes = 0;
  for (const auto& [name, tensor] : model->StateDict())
    weight_bytes += static_cast<std::int64_t>(tensor.nbytes());
  for (const torch::Tensor& parameter : model->parameters()) {
    cost.parameters += parameter.numel();
    gradient_bytes += static_cast<std::int64_t>(parameter.nbytes());
  }
  cost.frames = model->length_rule().AtLeast(frames);
  cost.receptive_field_frames = model->receptive_field_frames();
  try {
    {
      const torch::NoGradGuard no_grad;
      model->eval();
      cost.length_rule = model->length_rule();
      const model_cost::Pass pass;
      model->forward(torch::empty({1, setting.channels, cost.frames}));
      cost.macs = pass.macs();
      cost.inference_bytes = weight_bytes + pass.peak_bytes();
    }
    model->train();
    const model_cost::Pass pass;
    const torch::Tensor estimates =
        model->forward(torch::empty({batch, setting.channels, cost.frames}));
    cost.training_bytes = weight_bytes + 3 * gradient_bytes + pass.added_bytes();
  } catch (const c10::Error& error) {
    throw LibTorchError("the model's cost cannot be found out", error.what(), config.Where());
  }
  return cost;
}

std::vector<std::pair<std::string, std::vector<std::int64_t>>> StateShapes(
    const Config& config, const ModelSetting& setting) {
  const model_cost::WithoutData without_data;
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;
  for (const auto& [name, tensor] : MakeModel(config, setting)->StateDict())
    shapes.emplace_back(name, tensor.sizes().vec());
  return shapes;
}

}  // namespace stemsmith
