// LSTM and GRU: one ONNX node per layer holds both directions.
#include "export/lowering.h"

namespace stemsmith {
namespace {

// The gates in ONNX's order, given as places in torch's.
torch::Tensor Reorder(const torch::Tensor& weight, const std::vector<int>& gates) {
  const auto chunks = weight.chunk(static_cast<std::int64_t>(gates.size()), 0);
  std::vector<torch::Tensor> ordered;
  for (const int gate : gates) ordered.push_back(chunks[static_cast<std::size_t>(gate)]);
  return torch::cat(ordered, 0);
}

struct RecurrentOp {
  const char* op;
  std::vector<int> gates;  // ONNX's order as places in torch's
  OnnxAttributes attributes;
};

class RecurrentLowering {
 public:
  RecurrentLowering(Call& call, RecurrentOp op) : call_(call), b_(call.b()), op_(std::move(op)) {
    if (call.Bool("train", false) && call.Double("dropout", 0.0) != 0.0) {
      call.Unsupported("it was traced in training mode");
    }
    if (!call.Has("params") || !call.Has("batch_first")) call.Unsupported("its input is packed");
    if (!call.IsConstant("params")) call.Unsupported("its weights are computed");
    weights_ = call.Constant("params").toTensorVector();
    directions_ = call.Bool("bidirectional", false) ? 2 : 1;
    layers_ = call.Int("num_layers");
    biases_ = call.Bool("has_biases", true);
    const std::size_t each = biases_ ? 4 : 2;
    if (weights_.size() != each * static_cast<std::size_t>(layers_ * directions_)) {
      call.Unsupported("it projects its hidden state");
    }
  }

  // `states`: the initial states, [layers · directions, B, H] each. Returns output and final
  // states.
  void Run(const std::vector<LoweredTensor>& states) {
    const bool batch_first = call_.Bool("batch_first", false);
    const LoweredTensor input = call_.Tensor("input");
    if (input.rank() != 3) call_.Unsupported("its input has no batch dimension");
    std::string x = batch_first ? b_.Transpose(input.name, {1, 0, 2}) : input.name;
    std::vector<std::vector<std::string>> finals(states.size());
    for (std::int64_t layer = 0; layer < layers_; ++layer) {
      std::vector<std::string> inputs = LayerInputs(x, layer);
      for (const LoweredTensor& state : states) {
        inputs.push_back(
            layers_ == 1 ? state.name
                         : b_.Slice(state.name, 0, layer * directions_, (layer + 1) * directions_));
      }
      OnnxAttributes attributes = op_.attributes;
      attributes["hidden_size"] = weights_[1].size(1);
      attributes["direction"] = std::string(directions_ == 2 ? "bidirectional" : "forward");
      const auto results = b_.EmitMany(op_.op, inputs, 1 + states.size(), attributes);
      // [T, directions, B, H] → [T, B, directions · H]
      x = directions_ == 1 ? b_.Squeeze(results[0], {1})
                           : b_.Reshape(b_.Transpose(results[0], {0, 2, 1, 3}),
                                        {0, 0, directions_ * weights_[1].size(1)});
      for (std::size_t i = 0; i < states.size(); ++i) finals[i].push_back(results[i + 1]);
    }
    call_.Return(batch_first ? b_.Transpose(x, {1, 0, 2}) : x);
    for (const auto& parts : finals) {
      call_.Return(parts.size() == 1 ? parts.front() : b_.Concat(parts, 0));
    }
  }

 private:
  std::vector<std::string> LayerInputs(const std::string& x, std::int64_t layer) {
    const std::size_t each = biases_ ? 4 : 2;
    std::vector<torch::Tensor> input, hidden, bias;
    for (std::int64_t direction = 0; direction < directions_; ++direction) {
      const std::size_t at = each * static_cast<std::size_t>(layer * directions_ + direction);
      input.push_back(Reorder(weights_[at], op_.gates));
      hidden.push_back(Reorder(weights_[at + 1], op_.gates));
      if (biases_) {
        bias.push_back(torch::cat(
            {Reorder(weights_[at + 2], op_.gates), Reorder(weights_[at + 3], op_.gates)}));
      }
    }
    return {x, b_.Tensor(torch::stack(input)), b_.Tensor(torch::stack(hidden)),
            biases_ ? b_.Tensor(torch::stack(bias)) : "", /*sequence_lens=*/""};
  }

  Call& call_;
  GraphBuilder& b_;
  RecurrentOp op_;
  std::vector<torch::Tensor> weights_;
  std::int64_t directions_ = 1, layers_ = 1;
  bool biases_ = true;
};

void Lstm(Call& call) {
  // torch: input, forget, cell, output. ONNX: input, output, forget, cell.
  RecurrentLowering lowering(call, {"LSTM", {0, 3, 1, 2}, {}});
  lowering.Run(call.Tensors("hx"));
}

void Gru(Call& call) {
  // torch: reset, update, new. ONNX: update, reset, hidden; torch resets after the product.
  RecurrentLowering lowering(call, {"GRU", {1, 0, 2}, {{"linear_before_reset", std::int64_t{1}}}});
  lowering.Run({call.Tensor("hx")});
}

}  // namespace

const RuleTable& RecurrentRules() {
  static const RuleTable table = {{"aten::lstm", Lstm}, {"aten::gru", Gru}};
  return table;
}

}  // namespace stemsmith
