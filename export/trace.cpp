#include "export/trace.h"

#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/graph_rewrite_helper.h>
#include <torch/csrc/jit/passes/remove_mutation.h>
#include <torch/csrc/jit/passes/shape_analysis.h>

#include <map>
#include <sstream>

#include "core/error.h"

namespace stemsmith {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// Builds the TorchScript twin of an nn::Module's tree. It shares the tensors; a child that the tree
// holds twice becomes one object that is held twice.
class Mirror {
 public:
  torch::jit::Module Make(const torch::nn::Module& source, const std::string& name) {
    if (const auto known = made_.find(&source); known != made_.end()) return known->second;
    torch::jit::Module twin(c10::QualifiedName("__torch__.stemsmith." + name), unit_,
                            /*shouldMangle=*/true);
    made_.emplace(&source, twin);
    twin.register_attribute("training", c10::BoolType::get(), source.is_training());
    for (const auto& item : source.named_parameters(/*recurse=*/false)) {
      twin.register_parameter(item.key(), item.value(), /*is_buffer=*/false);
    }
    for (const auto& item : source.named_buffers(/*recurse=*/false)) {
      twin.register_buffer(item.key(), item.value());
    }
    for (const auto& item : source.named_children()) {
      twin.register_module(item.key(), Make(*item.value(), ClassName(*item.value())));
    }
    return twin;
  }
  const std::shared_ptr<torch::jit::CompilationUnit>& unit() const { return unit_; }

 private:
  // Class names go into the saved file's code: the C++ name without namespaces, and nothing but
  // letters.
  static std::string ClassName(const torch::nn::Module& module) {
    std::string full = module.name();
    full = full.substr(0, full.find('<'));
    full = full.substr(full.rfind(':') == std::string::npos ? 0 : full.rfind(':') + 1);
    std::string name;
    for (const char c : full) {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
    }
    return name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0 ? "Part" + name
                                                                                  : name;
  }

  std::shared_ptr<torch::jit::CompilationUnit> unit_ =
      std::make_shared<torch::jit::CompilationUnit>();
  std::map<const torch::nn::Module*, torch::jit::Module> made_;
};

struct OneTrace {
  torch::jit::Module module;
  std::shared_ptr<Graph> graph;
};

OneTrace TraceOnce(torch::nn::Module& source, const TraceableForward& forward,
                   const torch::Tensor& example) {
  Mirror mirror;
  torch::jit::Module module = mirror.Make(source, "Model");
  auto traced = torch::jit::tracer::trace(
      {example},
      [&](torch::jit::Stack inputs) {
        return torch::jit::Stack{forward(inputs.front().toTensor())};
      },
      [](const torch::autograd::Variable&) { return std::string(); }, /*strict=*/true,
      /*force_outplace=*/false, &module, {"mix"});
  std::shared_ptr<Graph> graph = traced.first->graph;
  torch::jit::RemoveTensorMutation(graph);
  torch::jit::EliminateDeadCode(graph);
  // A traced convolution carries this process's settings of cuDNN (TF32 allowed, no benchmark) as
  // constants. As convNd it follows those of whoever runs the file.
  std::shared_ptr<Graph> code = graph->copy();
  torch::jit::graph_rewrite_helper::replaceConvolutionWithAtenConv(code);
  torch::jit::Function* function =
      mirror.unit()->create_function(c10::QualifiedName(*module.type()->name(), "forward"), code);
  module.type()->addMethod(function);
  return {std::move(module), std::move(graph)};
}

std::vector<const Value*> ValuesInOrder(const Graph& graph) {
  std::vector<const Value*> values;
  for (const Value* input : graph.inputs()) values.push_back(input);
  for (const Node* node : graph.nodes()) {
    for (const Value* output : node->outputs()) values.push_back(output);
  }
  return values;
}

std::vector<std::string> LinesWithoutShapes(Graph& graph) {
  std::shared_ptr<Graph> copy = graph.copy();
  torch::jit::EraseShapeInformation(copy);
  std::istringstream text(copy->toString(/*print_source_locations=*/false));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    const std::size_t start = line.find_first_not_of(' ');
    lines.push_back(start == std::string::npos ? "" : line.substr(start));
  }
  return lines;
}

// Tensors that the forward function made outside of the trace are printed without their content.
bool SameConstant(const Value* a, const Value* b) {
  const auto first = torch::jit::toIValue(a), second = torch::jit::toIValue(b);
  if (!first || !first->isTensor() || !second || !second->isTensor()) return true;
  const torch::Tensor x = first->toTensor(), y = second->toTensor();
  return x.sizes() == y.sizes() && x.scalar_type() == y.scalar_type() && x.equal(y);
}

std::string Sizes(const torch::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.sizes();
  return text.str();
}

void CheckSameGraph(Graph& first, Graph& other, const torch::Tensor& first_example,
                    const torch::Tensor& other_example, const std::string& where) {
  const std::vector<std::string> a = LinesWithoutShapes(first), b = LinesWithoutShapes(other);
  std::string difference;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()) && difference.empty(); ++i) {
    const std::string left = i < a.size() ? a[i] : "the end";
    const std::string right = i < b.size() ? b[i] : "the end";
    if (left != right) difference = "`" + left + "` became `" + right + "`";
  }
  if (difference.empty()) {
    const auto values = ValuesInOrder(first), others = ValuesInOrder(other);
    for (std::size_t i = 0; i < values.size() && difference.empty(); ++i) {
      if (!SameConstant(values[i], others[i])) {
        difference = "the constant %" + values[i]->debugName() + " changed";
      }
    }
  }
  if (difference.empty()) return;
  throw Error::Input("the traced graph does not hold for other input sizes: from " +
                         Sizes(first_example) + " to " + Sizes(other_example) + " " + difference,
                     where, "keep sizes out of the model's arithmetic, or fix its length");
}

}  // namespace

Trace TraceForward(torch::nn::Module& module, const TraceableForward& forward,
                   const std::vector<torch::Tensor>& examples, const std::string& where) {
  TORCH_CHECK(!examples.empty() && !module.is_training());
  const torch::NoGradGuard no_grad;
  OneTrace first = TraceOnce(module, forward, examples.front());
  Trace result{first.module, first.graph, {}};

  const auto values = ValuesInOrder(*first.graph);
  for (const Value* value : values) {
    const auto type = value->type()->cast<c10::TensorType>();
    if (!type || !type->scalarType() || !type->sizes().concrete_sizes()) continue;
    result.tensors[value] = {*type->scalarType(), *type->sizes().concrete_sizes()};
  }
  for (std::size_t i = 1; i < examples.size(); ++i) {
    const OneTrace other = TraceOnce(module, forward, examples[i]);
    CheckSameGraph(*first.graph, *other.graph, examples.front(), examples[i], where);
    const auto others = ValuesInOrder(*other.graph);
    for (std::size_t v = 0; v < values.size(); ++v) {
      const auto known = result.tensors.find(values[v]);
      if (known == result.tensors.end()) continue;
      const auto sizes = others[v]->type()->expectRef<c10::TensorType>().sizes().concrete_sizes();
      std::vector<std::int64_t>& shape = known->second.shape;
      if (!sizes || sizes->size() != shape.size()) {
        throw Error::Input("the rank of a value changes with the input's size", where, "");
      }
      for (std::size_t d = 0; d < shape.size(); ++d) {
        if (shape[d] != (*sizes)[d]) shape[d] = TracedTensor::kVaries;
      }
    }
  }
  return result;
}

std::vector<torch::Tensor> GuardExamples(int channels, const std::vector<std::int64_t>& lengths) {
  // Not batch 1, which broadcasts where others do not. Seeded, so that an export is repeatable; the
  // content does not end up in the graph, or the guard would find it there.
  auto generator = at::detail::createCPUGenerator(/*seed_val=*/42);
  std::vector<torch::Tensor> examples;
  const auto add = [&](std::int64_t batch, std::int64_t length) {
    examples.push_back(0.2 * torch::randn({batch, channels, length}, generator));
  };
  for (const std::int64_t batch : {2, 3}) add(batch, lengths.front());
  for (std::size_t i = 1; i < lengths.size(); ++i) add(2, lengths[i]);
  return examples;
}

}  // namespace stemsmith
