// Traces a module into TorchScript, several times with inputs of different sizes, so that two
// things are known that one trace cannot tell: that the graph holds for other sizes (else an Error
// says which line of it does not), and which dimension of which value varies with them.
//
// The module must be in eval mode and take and give one tensor. Not thread-safe.
#pragma once

#include <torch/script.h>
#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace stemsmith {

// What the traces say about a value: its type, and its shape with kVaries where the traces differ.
struct TracedTensor {
  static constexpr std::int64_t kVaries = -1;
  torch::ScalarType type = torch::kFloat32;
  std::vector<std::int64_t> shape;
};

struct Trace {
  // The module's tree with its parameters and buffers under their names, and the method `forward`
  // as traced with the first example.
  torch::jit::Module module;
  std::shared_ptr<torch::jit::Graph> graph;  // of `forward`: (self, mix) → estimates
  std::unordered_map<const torch::jit::Value*, TracedTensor> tensors;  // of the graph's values
};

using TraceableForward = std::function<torch::Tensor(const torch::Tensor& mix)>;

// Traces `forward` once per example. Throws Error where a graph differs from the first one's in
// more than shapes; `where` names the model.
Trace TraceForward(torch::nn::Module& module, const TraceableForward& forward,
                   const std::vector<torch::Tensor>& examples, const std::string& where);

// The examples of the guard: noise [B, channels, T] of two batch sizes with the first length (in
// frames), and of the first one with each other length. One length alone means that the graph's
// time is fixed.
std::vector<torch::Tensor> GuardExamples(int channels, const std::vector<std::int64_t>& lengths);

}  // namespace stemsmith
