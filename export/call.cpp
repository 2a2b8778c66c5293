#include "core/error.h"
#include "core/option.h"
#include "export/lowering.h"

namespace stemsmith {

Call::Call(GraphBuilder& builder, const torch::jit::Node* node, const Trace& trace,
           std::vector<LoweredValue> inputs, const std::string& where)
    : builder_(builder), node_(node), inputs_(std::move(inputs)), where_(where) {
  const auto add = [&](const torch::jit::Value* value) {
    const auto known = trace.tensors.find(value);
    outs_.push_back(known == trace.tensors.end() ? nullptr : &known->second);
  };
  for (const torch::jit::Value* output : node->outputs()) {
    if (output->type()->kind() != c10::TypeKind::ListType) {
      add(output);
      continue;
    }
    for (const auto& use : output->uses()) {
      if (use.user->kind() != torch::jit::prim::ListUnpack) continue;
      for (const torch::jit::Value* item : use.user->outputs()) add(item);
      break;
    }
  }
}

void Call::Unsupported(const std::string& why) const {
  throw Error::Input(
      "the operator " + std::string(node_->kind().toQualString()) + " has no ONNX form: " + why,
      where_, "export with " + Option("format", "torchscript") + ", or change the model");
}

const LoweredValue* Call::Find(const char* name) const {
  const c10::FunctionSchema* schema = node_->maybeSchema();
  if (schema == nullptr) return nullptr;
  for (std::size_t i = 0; i < schema->arguments().size() && i < inputs_.size(); ++i) {
    if (schema->arguments()[i].name() == name) return &inputs_[i];
  }
  return nullptr;
}

const LoweredValue& Call::Get(const char* name) const {
  const LoweredValue* value = Find(name);
  if (value == nullptr) Unsupported("this overload has no argument `" + std::string(name) + "`");
  return *value;
}

bool Call::Has(const char* name) const {
  const LoweredValue* value = Find(name);
  return value != nullptr && !(value->constant && value->constant->isNone());
}

bool Call::IsConstant(const char* name) const {
  const LoweredValue* value = Find(name);
  return value != nullptr && value->constant.has_value();
}

LoweredTensor Call::AsTensor(const LoweredValue& value, const char* name) {
  if (value.tensor) return *value.tensor;
  if (!value.constant || !value.constant->isTensor()) {
    Unsupported("`" + std::string(name) + "` is not a tensor");
  }
  const torch::Tensor tensor = value.constant->toTensor();
  return {builder_.Tensor(tensor), tensor.scalar_type(), tensor.sizes().vec()};
}

LoweredInt Call::AsInt(const LoweredValue& value, const char* name) {
  if (value.constant && value.constant->isInt()) return value.constant->toInt();
  if (value.constant && value.constant->isTensor()) {
    return value.constant->toTensor().item<std::int64_t>();
  }
  if (!value.tensor || value.tensor->rank() != 0 || value.tensor->type != torch::kInt64) {
    Unsupported("`" + std::string(name) + "` is not a whole number");
  }
  return LoweredInt(value.tensor->name);
}

LoweredTensor Call::Tensor(const char* name) { return AsTensor(Get(name), name); }

std::vector<LoweredTensor> Call::Tensors(const char* name) {
  const LoweredValue& value = Get(name);
  std::vector<LoweredTensor> tensors;
  if (value.constant) {
    for (const torch::Tensor& tensor : value.constant->toTensorVector()) {
      tensors.push_back({builder_.Tensor(tensor), tensor.scalar_type(), tensor.sizes().vec()});
    }
  }
  for (const LoweredValue& item : value.items) tensors.push_back(AsTensor(item, name));
  return tensors;
}

const c10::IValue& Call::Constant(const char* name) const {
  const LoweredValue& value = Get(name);
  if (!value.constant) Unsupported("`" + std::string(name) + "` is not constant");
  return *value.constant;
}

torch::Tensor Call::ConstantTensor(const char* name) const { return Constant(name).toTensor(); }

std::int64_t Call::Int(const char* name) const {
  const c10::IValue& value = Constant(name);
  return value.isTensor() ? value.toTensor().item<std::int64_t>() : value.toInt();
}

std::int64_t Call::Int(const char* name, std::int64_t fallback) const {
  return Has(name) ? Int(name) : fallback;
}

double Call::Double(const char* name, double fallback) const {
  if (!Has(name)) return fallback;
  const c10::IValue& value = Constant(name);
  return value.isTensor() ? value.toTensor().item<double>() : value.toScalar().toDouble();
}

bool Call::Bool(const char* name, bool fallback) const {
  return Has(name) ? Constant(name).toBool() : fallback;
}

std::string Call::String(const char* name, const std::string& fallback) const {
  return Has(name) ? Constant(name).toStringRef() : fallback;
}

std::vector<std::int64_t> Call::Ints(const char* name) const {
  if (!Has(name)) return {};
  const c10::IValue& value = Constant(name);
  if (value.isInt()) return {value.toInt()};
  return value.toIntVector();
}

LoweredInt Call::DynamicInt(const char* name) { return AsInt(Get(name), name); }

std::vector<LoweredInt> Call::DynamicInts(const char* name) {
  const LoweredValue& value = Get(name);
  std::vector<LoweredInt> integers;
  if (value.constant) {
    for (const std::int64_t item : Ints(name)) integers.push_back(item);
  }
  for (const LoweredValue& item : value.items) integers.push_back(AsInt(item, name));
  return integers;
}

std::string Call::Operand(const char* name, torch::ScalarType type) {
  const LoweredValue& value = Get(name);
  if (value.tensor) return builder_.Cast(value.tensor->name, value.tensor->type, type);
  if (!value.constant) Unsupported("`" + std::string(name) + "` is neither tensor nor number");
  if (value.constant->isTensor()) return builder_.Tensor(value.constant->toTensor().to(type));
  return builder_.Number(value.constant->toScalar().toDouble(), type);
}

int Call::Dim(const char* name, const LoweredTensor& tensor, int extra) const {
  const std::int64_t dim = Int(name);
  return static_cast<int>(dim < 0 ? dim + tensor.rank() + extra : dim);
}

std::vector<std::int64_t> Call::Dims(const char* name, const LoweredTensor& tensor) const {
  std::vector<std::int64_t> dims = Ints(name);
  if (dims.empty()) {  // none given means all of them
    for (int d = 0; d < tensor.rank(); ++d) dims.push_back(d);
  }
  for (std::int64_t& dim : dims) dim = dim < 0 ? dim + tensor.rank() : dim;
  return dims;
}

const TracedTensor& Call::Out(std::size_t index) const {
  if (index >= outs_.size() || outs_[index] == nullptr) {
    Unsupported("the trace does not know the type of its result");
  }
  return *outs_[index];
}

void Call::Return(const std::string& name) {
  const TracedTensor& out = Out(results_.size());
  Return(LoweredTensor{name, out.type, out.shape});
}

void Call::Return(LoweredTensor tensor) {
  LoweredValue value;
  value.tensor = std::move(tensor);
  results_.push_back(std::move(value));
}

void Call::Return(const LoweredInt& integer) {
  LoweredValue value;
  if (integer.known) {
    value.constant = c10::IValue(*integer.known);
  } else {
    value.tensor = LoweredTensor{integer.name, torch::kInt64, {}};
  }
  results_.push_back(std::move(value));
}

}  // namespace stemsmith
