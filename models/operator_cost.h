// What single operators cost, and the results of those that do not run without data, or that would
// be long in doing so. Part of model_cost.cpp; totals belong to a thread.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <cstdint>
#include <string>
#include <vector>

namespace stemsmith::model_cost {

// What the operators of one pass have come to.
struct Totals {
  double macs = 0;
  // Inputs that operators replaced here would keep for their gradients.
  std::vector<torch::Tensor> kept;
};
// Where operators of this thread are added up; null: nowhere.
inline thread_local Totals* totals = nullptr;

// The arguments of the operator called, by name.
class Arguments {
 public:
  Arguments(const c10::OperatorHandle& op, const torch::jit::Stack& stack)
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
  const torch::jit::Stack& stack_;
};

// A tensor without data, as an operator gives it.
torch::Tensor Result(at::IntArrayRef shape, const torch::Tensor& like, torch::ScalarType type);
// Counts `tensor` among those kept for the gradients.
void Keep(const torch::Tensor& tensor);

// Gives the operator's results, and counts it. Null where the operator runs by itself.
using Replacement = std::vector<torch::Tensor> (*)(const Arguments& arguments);
Replacement FindReplacement(const std::string& name);

// Counts matrix products, which run by themselves; other operators are none.
void CountProduct(const std::string& name, const Arguments& arguments);

}  // namespace stemsmith::model_cost
