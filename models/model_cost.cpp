#include "models/model_cost.h"

#include <ATen/ExpandUtils.h>

#include <algorithm>
#include <set>

#include "core/current_error.h"
#include "core/error.h"
#include "models/operator_cost.h"

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
