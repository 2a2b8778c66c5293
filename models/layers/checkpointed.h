// Activation checkpointing: a part of a model keeps for the backward pass what goes into it and
// nothing of what it computes, and runs again there. Memory for time: about a third more of it.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <vector>

namespace stemsmith {

// What a part computes of its inputs. It may be called long after Checkpointed() has returned, so
// it must not refer to anything on the caller's stack.
using PartFunction = std::function<std::vector<torch::Tensor>(const std::vector<torch::Tensor>&)>;

// run(inputs), where `run` uses no trainable parameters but those of `part` and the inputs. Some
// inputs and results may be undefined. Gradients are bit for bit those of a plain call (of an input
// that goes into other parts too, they may be added up in another order): when it runs again,
// random numbers (dropout) and autocast are as they were, and buffers (running statistics) keep
// what the first run made of them. Made for training; gradients of gradients are not.
std::vector<torch::Tensor> Checkpointed(torch::nn::Module& part,
                                        const std::vector<torch::Tensor>& inputs, PartFunction run);

// The same where `on` and gradients are wanted, else a plain call.
std::vector<torch::Tensor> CheckpointedIf(bool on, torch::nn::Module& part,
                                          const std::vector<torch::Tensor>& inputs,
                                          const PartFunction& run);

// Of a part that makes one tensor of one; `part` lives on the heap, as modules do.
template <typename Part>
torch::Tensor CheckpointedIf(bool on, Part& part, const torch::Tensor& input) {
  return CheckpointedIf(on, part, std::vector<torch::Tensor>{input},
                        [&part](const std::vector<torch::Tensor>& inputs) {
                          return std::vector<torch::Tensor>{part.forward(inputs[0])};
                        })[0];
}

}  // namespace stemsmith
