// Which convolutions this machine computes rightly in 16 bits, found out by trying: each shape once
// per process, forward and backward with random numbers beside float32, which takes milliseconds.
// Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/layers/convolution_forms.h"

namespace stemsmith {

// The first form that is right in `type` for tensors of these shapes on the input's device; none
// where float32 has to do.
std::optional<ConvolutionForm> RightForm(const torch::Tensor& input, const torch::Tensor& weight,
                                         const torch::Tensor& bias, const ConvolutionSpec& spec,
                                         at::ScalarType type);

// Those that no form was right for, in words, as they were found.
std::vector<std::string> WrongConvolutions();

// All are tried again. For tests, which change how well machines compute.
void ForgetConvolutionTrials();

}  // namespace stemsmith
