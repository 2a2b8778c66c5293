// Lowers a traced graph to ONNX by one rule per operator. A rule is a function over a Call: it
// reads the operator's arguments by the names of their schema, emits ONNX nodes, and returns
// values. Rules are grouped in lower_*.cpp; each file gives its table, lowering.cpp joins them.
// What the graph computes from constants alone needs no rule: it is computed here, once.
//
// Complex tensors are real ones with a last dimension of 2 in ONNX. Integers that are known only
// when the graph runs are [1] int64 tensors. Single thread.
#pragma once

#include <torch/script.h>

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "export/onnx/graph.h"
#include "export/trace.h"

namespace stemsmith {

// The graph of `trace` as ONNX with the input "mix" and the output "estimates"; varying dimensions
// of these are named "batch" and "frames". Throws Error where an operator has no rule (`where`
// names the model).
OnnxGraph LowerToOnnx(const Trace& trace, const std::string& where);

// --- for the rules ---

// "To the end" in a slice.
constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

// A tensor of the graph: its ONNX name with torch's type and shape (TracedTensor::kVaries where it
// varies).
struct LoweredTensor {
  std::string name;
  torch::ScalarType type = torch::kFloat32;
  std::vector<std::int64_t> shape;

  bool complex() const { return c10::isComplexType(type); }
  int rank() const { return static_cast<int>(shape.size()); }
};

// An integer: known, or the name of a [1] int64 tensor.
struct LoweredInt {
  std::optional<std::int64_t> known;
  std::string name;

  LoweredInt(std::int64_t value) : known(value) {}  // NOLINT: numbers are meant to convert
  explicit LoweredInt(std::string tensor) : name(std::move(tensor)) {}
};

// What a value of the traced graph became: a constant of any kind, a tensor (integers of the graph
// are tensors of rank 0), or a list of such.
struct LoweredValue {
  std::optional<c10::IValue> constant;
  std::optional<LoweredTensor> tensor;
  std::vector<LoweredValue> items;  // of a list that is not wholly constant
};

using OnnxAttributes = std::map<std::string, OnnxAttribute>;

// What a gated linear unit may look through: a group normalisation of one group over a convolution
// of width 1, both with known weights (see gating.h).
struct NormalizedProjection {
  std::string input;           // of the convolution, [B, hidden, T]
  torch::Tensor matrix, base;  // the convolution's weights, [C, hidden], and biases, [C]
  torch::Tensor weight, bias;  // of the normalisation, [C]
  double epsilon = 1e-5;
  std::int64_t steps = 0;  // T; may vary
};

// A gated linear unit: a Conv node, not yet in the graph, times what opens and closes it.
struct GatedNote {
  OnnxNode value;
  std::string gate;
};

// Queries and keys of attention with rotary positions: pairs of a linear result's first columns
// [R, N, parts, heads, pairs, 2], as complex numbers times `turns`.
struct TurnedLinear {
  std::string input;     // of the linear, [R, N, K]
  torch::Tensor weight;  // [K, parts, heads, pairs, 2]
  std::string cosines, sines;  // of the turns, each broadcast to [N, heads, pairs]
  std::vector<std::string> parts;  // [R, N, heads, 2 · pairs] each; once they are in the graph
};

// What is known of values of the graph, by their names, beyond the nodes that give them.
struct GraphNotes {
  std::map<std::string, NormalizedProjection> projections;
  std::map<std::string, GatedNote> gated;
  // Real and imaginary parts of complex values that were made of them.
  std::map<std::string, std::pair<std::string, std::string>> parts;
  std::map<std::string, TurnedLinear> turned;
  std::map<std::string, std::int64_t> ranks;  // of what rules returned
};

// The graph in the making.
class GraphBuilder {
 public:
  // Appends a node; gives the name of its first output, or of all.
  std::string Emit(const std::string& op, const std::vector<std::string>& inputs,
                   const OnnxAttributes& attributes = {});
  std::vector<std::string> EmitMany(const std::string& op, const std::vector<std::string>& inputs,
                                    std::size_t outputs, const OnnxAttributes& attributes = {});
  // Constants; equal ones are stored once. `Tensor` keeps the shape, complex becomes real.
  std::string Tensor(const torch::Tensor& value);
  std::string Ints(const std::vector<std::int64_t>& values);                   // [n] int64
  std::string Number(double value, torch::ScalarType type = torch::kFloat32);  // rank 0

  // Integers at run time.
  std::string IntName(const LoweredInt& value);                // as [1] int64
  std::string IntList(const std::vector<LoweredInt>& values);  // as [n] int64
  LoweredInt Dimension(const LoweredTensor& tensor, int dim);  // known where the traces agree
  LoweredInt Add(const LoweredInt& a, const LoweredInt& b);
  LoweredInt Subtract(const LoweredInt& a, const LoweredInt& b);
  LoweredInt Multiply(const LoweredInt& a, const LoweredInt& b);
  LoweredInt FloorDivide(const LoweredInt& a, const LoweredInt& b);

  // Common pieces; `dim` counts ONNX dimensions, from 0 or from the end.
  std::string Slice(const std::string& x, std::int64_t dim, const LoweredInt& start,
                    const LoweredInt& end, const LoweredInt& step = 1);
  std::string Reshape(const std::string& x, const std::vector<LoweredInt>& shape);
  std::string Unsqueeze(const std::string& x, std::vector<std::int64_t> dims);
  std::string Squeeze(const std::string& x, std::vector<std::int64_t> dims);
  // One after another becomes one, or none.
  std::string Transpose(const std::string& x, std::vector<std::int64_t> order);
  std::string Concat(const std::vector<std::string>& parts, std::int64_t dim);
  // Of equal lengths, or of those that the vector named `lengths` holds.
  std::vector<std::string> Split(const std::string& x, std::int64_t dim, std::size_t parts,
                                 const std::string& lengths = "");
  std::string Cast(const std::string& x, torch::ScalarType from, torch::ScalarType to);
  std::string ReduceMean(const std::string& x, std::vector<std::int64_t> dims, bool keep);
  std::string ReduceSum(const std::string& x, std::vector<std::int64_t> dims, bool keep);

  OnnxGraph& graph() { return graph_; }

  // For rules that look back: the node that gives `name` (valid until the next one is emitted) and
  // the constant of that name; null and undefined where there is none.
  const OnnxNode* Producer(const std::string& name) const;
  torch::Tensor ConstantOf(const std::string& name) const;
  GraphNotes& notes() { return notes_; }

 private:
  LoweredInt Arithmetic(const char* op, const LoweredInt& a, const LoweredInt& b);
  std::string AddConstant(OnnxType type, const std::vector<std::int64_t>& shape, std::string bytes);

  OnnxGraph graph_;
  std::map<std::string, int> counters_;
  std::unordered_multimap<std::size_t, std::size_t> constants_;  // places, by hashes of content
  std::map<std::string, std::size_t> producers_;  // places of nodes by what they give
  std::map<std::string, torch::Tensor> tensors_;  // constants that came as tensors
  GraphNotes notes_;
};

// One operator of the traced graph, as its rule sees it.
class Call {
 public:
  Call(GraphBuilder& builder, const torch::jit::Node* node, const Trace& trace,
       std::vector<LoweredValue> inputs, const std::string& where);

  GraphBuilder& b() { return builder_; }
  const torch::jit::Node* node() const { return node_; }

  // Arguments by schema name; absent names throw Error as an unsupported form of the operator.
  bool Has(const char* name) const;  // the schema has it and it is not None
  bool IsConstant(const char* name) const;
  LoweredTensor Tensor(const char* name);  // constants become initialisers
  std::vector<LoweredTensor> Tensors(const char* name);
  const c10::IValue& Constant(const char* name) const;
  torch::Tensor ConstantTensor(const char* name) const;
  std::int64_t Int(const char* name) const;
  std::int64_t Int(const char* name, std::int64_t fallback) const;  // where missing or None
  double Double(const char* name, double fallback) const;
  bool Bool(const char* name, bool fallback) const;
  std::string String(const char* name, const std::string& fallback) const;
  std::vector<std::int64_t> Ints(const char* name) const;  // one number counts as a list of one
  LoweredInt DynamicInt(const char* name);
  std::vector<LoweredInt> DynamicInts(const char* name);
  // An operand of arithmetic, tensor or number, as an ONNX value of `type` (not complex).
  std::string Operand(const char* name, torch::ScalarType type);
  // The dimension argument, from 0 on; `extra` for operators that add a dimension.
  int Dim(const char* name, const LoweredTensor& tensor, int extra = 0) const;
  std::vector<std::int64_t> Dims(const char* name, const LoweredTensor& tensor) const;

  // The outputs as traced. A list's items count as outputs.
  const TracedTensor& Out(std::size_t index = 0) const;
  bool KnowsOut() const { return !outs_.empty() && outs_[0] != nullptr; }
  std::size_t OutCount() const { return outs_.size(); }
  // What the operator gives, in order: tensors by name, integers, or an argument as it came.
  void Return(const std::string& name);
  void Return(const LoweredInt& value);
  void Return(LoweredTensor tensor);
  void ReturnArgument(const char* name) { results_.push_back(Get(name)); }
  std::vector<LoweredValue> TakeResults() { return std::move(results_); }

  // Throws Error: this operator with these arguments has no ONNX form here.
  [[noreturn]] void Unsupported(const std::string& why) const;

 private:
  const LoweredValue* Find(const char* name) const;
  const LoweredValue& Get(const char* name) const;
  LoweredTensor AsTensor(const LoweredValue& value, const char* name);
  LoweredInt AsInt(const LoweredValue& value, const char* name);

  GraphBuilder& builder_;
  const torch::jit::Node* node_;
  std::vector<LoweredValue> inputs_;
  std::vector<const TracedTensor*> outs_;
  std::vector<LoweredValue> results_;
  const std::string& where_;
};

using Rule = void (*)(Call& call);
using RuleTable = std::map<std::string, Rule>;  // by the operator's name, "aten::relu"

const RuleTable& ElementwiseRules();  // lower_elementwise.cpp
const RuleTable& ReductionRules();    // lower_reduction.cpp
const RuleTable& ShapeRules();        // lower_shape.cpp: views, slices, joins
const RuleTable& FillRules();         // lower_fill.cpp: filled tensors, padding
const RuleTable& LayerRules();      // lower_layers.cpp: convolution, normalisation, matrix products
const RuleTable& AttentionRules();  // lower_attention.cpp
const RuleTable& RecurrentRules();  // lower_recurrent.cpp
const RuleTable& SpectralRules();   // lower_spectral.cpp: STFT, ISTFT, complex numbers

}  // namespace stemsmith
