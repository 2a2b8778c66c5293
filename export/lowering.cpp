#include "export/lowering.h"

#include <torch/csrc/jit/runtime/operator.h>

#include "core/error.h"
#include "core/option.h"

namespace stemsmith {
namespace {

using torch::jit::Node;
using torch::jit::Value;

Rule FindRule(const std::string& op) {
  for (const RuleTable* table :
       {&ElementwiseRules(), &ReductionRules(), &ShapeRules(), &FillRules(), &LayerRules(),
        &AttentionRules(), &RecurrentRules(), &SpectralRules()}) {
    if (const auto row = table->find(op); row != table->end()) return row->second;
  }
  return nullptr;
}

// In eval mode these give their input; so do conversions between a number and its tensor.
bool PassesThrough(const std::string& op) {
  static const char* const kOps[] = {
      "prim::NumToTensor",   "aten::Int",   "aten::IntImplicit",  "aten::ScalarImplicit",
      "aten::detach",        "aten::clone", "aten::contiguous",   "aten::alias",
      "aten::lift_fresh",    "aten::lift",  "aten::resolve_conj", "aten::resolve_neg",
      "aten::requires_grad_"};
  return std::find(std::begin(kOps), std::end(kOps), op) != std::end(kOps);
}

// Questions about a tensor that only other operators' type arguments ask; ONNX has no use for the
// answer.
bool AsksForOptions(const std::string& op) {
  return op == "prim::dtype" || op == "prim::device" || op == "prim::layout";
}

class Lowerer {
 public:
  Lowerer(const Trace& trace, const std::string& where) : trace_(trace), where_(where) {}

  OnnxGraph Run() {
    const auto inputs = trace_.graph->inputs(), outputs = trace_.graph->outputs();
    values_[inputs[0]].constant = trace_.module._ivalue();
    AddInput(inputs[1]);
    for (const Node* node : trace_.graph->nodes()) Lower(node);
    AddOutput(outputs[0]);
    OnnxGraph graph = std::move(builder_.graph());
    graph.name = "separate";
    RemoveUnused(graph);
    return graph;
  }

 private:
  static OnnxValueInfo Info(const std::string& name, const TracedTensor& tensor) {
    OnnxValueInfo info{name, OnnxType::kFloat32, {}};
    const std::size_t rank = tensor.shape.size();
    for (std::size_t d = 0; d < rank; ++d) {
      if (tensor.shape[d] != TracedTensor::kVaries) {
        info.shape.emplace_back(tensor.shape[d]);
      } else {
        info.shape.emplace_back(d == 0          ? "batch"
                                : d == rank - 1 ? "frames"
                                                : name + "_" + std::to_string(d));
      }
    }
    return info;
  }

  const TracedTensor& Traced(const Value* value, const char* what) const {
    const auto known = trace_.tensors.find(value);
    if (known == trace_.tensors.end() || known->second.type != torch::kFloat32) {
      throw Error::Input(std::string(what) + " is not one float32 tensor", where_, "");
    }
    return known->second;
  }

  void AddInput(const Value* value) {
    const TracedTensor& traced = Traced(value, "the graph's input");
    values_[value].tensor = LoweredTensor{"mix", traced.type, traced.shape};
    builder_.graph().inputs.push_back(Info("mix", traced));
  }

  void AddOutput(const Value* value) {
    const TracedTensor& traced = Traced(value, "the graph's output");
    const LoweredValue& lowered = values_.at(value);
    const std::string source =
        lowered.tensor ? lowered.tensor->name : builder_.Tensor(lowered.constant->toTensor());
    builder_.graph().nodes.push_back({"Identity", {source}, {"estimates"}, {}});
    builder_.graph().outputs.push_back(Info("estimates", traced));
  }

  // Runs a node whose inputs are all known.
  void Evaluate(const Node* node, const std::vector<LoweredValue>& inputs) {
    torch::jit::Stack stack;
    for (const LoweredValue& input : inputs) stack.push_back(*input.constant);
    node->getOperation()(stack);
    for (std::size_t i = 0; i < node->outputs().size(); ++i) {
      values_[node->outputs()[i]].constant = stack.at(i);
    }
  }

  // Puts a list or tuple together: constant where all of its items are.
  void Pack(const Node* node, const std::vector<LoweredValue>& items, bool constant) {
    LoweredValue& packed = values_[node->output()];
    if (!constant) {
      packed.items = items;
    } else if (node->kind() == torch::jit::prim::ListConstruct) {
      c10::impl::GenericList list(
          node->output()->type()->expectRef<c10::ListType>().getElementType());
      for (const LoweredValue& item : items) list.push_back(*item.constant);
      packed.constant = c10::IValue(std::move(list));
    } else {
      std::vector<c10::IValue> elements;
      for (const LoweredValue& item : items) elements.push_back(*item.constant);
      packed.constant = c10::ivalue::Tuple::create(std::move(elements));
    }
  }

  void Unpack(const Node* node, const LoweredValue& packed) {
    for (std::size_t i = 0; i < node->outputs().size(); ++i) {
      LoweredValue& item = values_[node->outputs()[i]];
      if (!packed.constant) {
        item = packed.items.at(i);
      } else if (packed.constant->isTuple()) {
        item.constant = packed.constant->toTupleRef().elements()[i];
      } else {
        item.constant = packed.constant->toListRef()[i];
      }
    }
  }

  bool LowerStructure(const Node* node, const std::vector<LoweredValue>& inputs, bool constant) {
    switch (node->kind()) {
      case torch::jit::prim::Constant:
        values_[node->output()].constant = torch::jit::toIValue(node->output());
        return true;
      case torch::jit::prim::GetAttr:
        values_[node->output()].constant =
            inputs.at(0).constant->toObjectRef().getAttr(node->s(torch::jit::attr::name));
        return true;
      case torch::jit::prim::ListConstruct:
      case torch::jit::prim::TupleConstruct:
        Pack(node, inputs, constant);
        return true;
      case torch::jit::prim::ListUnpack:
      case torch::jit::prim::TupleUnpack:
        Unpack(node, inputs.at(0));
        return true;
      default:
        return false;
    }
  }

  void Lower(const Node* node) {
    std::vector<LoweredValue> inputs;
    bool constant = true;
    for (const Value* input : node->inputs()) {
      inputs.push_back(values_.at(input));
      constant = constant && inputs.back().constant.has_value();
    }
    if (LowerStructure(node, inputs, constant)) return;
    if (constant && !node->isNondeterministic() && !node->hasSideEffects()) {
      Evaluate(node, inputs);
      return;
    }

    const std::string op = node->kind().toQualString();
    if (PassesThrough(op)) {
      values_[node->output()] = inputs.at(0);
      return;
    }
    if (AsksForOptions(op)) {
      values_[node->output()].constant = c10::IValue();
      return;
    }
    const Rule rule = FindRule(op);
    if (rule == nullptr) {
      throw Error::Input(
          "the operator " + op + " has no rule for ONNX", where_,
          "export with " + Option("format", "torchscript") + ", or change the model");
    }
    Call call(builder_, node, trace_, std::move(inputs), where_);
    rule(call);
    Store(node, call.TakeResults());
  }

  void Store(const Node* node, std::vector<LoweredValue> results) {
    for (const LoweredValue& result : results)
      if (result.tensor) builder_.notes().ranks[result.tensor->name] = result.tensor->rank();
    const auto outputs = node->outputs();
    if (outputs.size() == 1 && outputs[0]->type()->kind() == c10::TypeKind::ListType) {
      values_[outputs[0]].items = std::move(results);
      return;
    }
    TORCH_INTERNAL_ASSERT(results.size() == outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) values_[outputs[i]] = std::move(results[i]);
  }

  const Trace& trace_;
  const std::string& where_;
  GraphBuilder builder_;
  std::unordered_map<const Value*, LoweredValue> values_;
};

}  // namespace

OnnxGraph LowerToOnnx(const Trace& trace, const std::string& where) {
  return Lowerer(trace, where).Run();
}

}  // namespace stemsmith
