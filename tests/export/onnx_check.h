// Traces a forward function, lowers it to ONNX, runs that in ONNX Runtime, and compares with the
// function itself on new input.
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "export/trace.h"

namespace stemsmith::testing {

struct OnnxCheckOptions {
  std::int64_t channels = 2;
  std::vector<std::int64_t> traced_lengths = {48, 64};  // one: fixed time
  std::vector<std::int64_t> run_lengths = {48, 80};     // ignored when time is fixed
};

// The largest difference over the peak, over batches of 1 and 4 and all run lengths.
double OnnxError(torch::nn::Module& module, const TraceableForward& forward,
                 const OnnxCheckOptions& options = {});
// The operators of the graph that a forward function becomes, in order.
std::vector<std::string> OnnxOperators(torch::nn::Module& module, const TraceableForward& forward,
                                       const OnnxCheckOptions& options = {});
// For functions without parameters.
double OnnxError(const TraceableForward& forward, const OnnxCheckOptions& options = {});

}  // namespace stemsmith::testing
