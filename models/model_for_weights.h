// Building the model that weights from a file are for.
#pragma once

#include "models/separation_model.h"
#include "models/state_fit.h"

namespace stemsmith {

// MakeModel for a description that comes with weights: files from strangers may describe a model of
// any size. Throws Error as soon as building it takes four times the memory of the weights and a
// GiB more, before that memory is touched.
std::shared_ptr<SeparationModel> MakeModelFor(const NamedTensors& weights, const Config& config,
                                              const ModelSetting& setting);

}  // namespace stemsmith
