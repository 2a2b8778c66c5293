// The initialisation trick of Demucs: every convolution's weights and bias are divided by
// sqrt(deviation of its weights / reference), which pulls the deviations towards `reference`.
#pragma once

#include <torch/torch.h>

namespace stemsmith {

// All convolutions and transposed convolutions (1-D and 2-D) below `module`.
void RescaleConvolutions(torch::nn::Module& module, double reference);

}  // namespace stemsmith
