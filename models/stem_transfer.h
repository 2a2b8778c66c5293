// Weights for other stems than those they were trained for: what belongs to a stem moves with it,
// everything else stays.
//
// Which tensors belong to stems is found out by building the model, without data, for twice as many
// stems. A tensor with a dimension twice as long holds the stems there one after another, each with
// equally many channels: how every model here makes its output. A tensor that has a stem's name
// between the dots of its own ("target_models.vocals.fc1.weight") is that stem's alone, as is one
// that is there once for each stem, by its number ("mask_estimators.0.to_freqs.0.0.0.weight").
#pragma once

#include <string>
#include <vector>

#include "models/checkpoint.h"

namespace stemsmith {

// For each stem of the new model the number of the stem in the old one that it starts as; -1 for
// stems that start as they are initialised.
using StemSources = std::vector<int>;

// The configuration of the same model with the new stems: a bag's weights per stem are put into
// their order, stems that start as initialised getting a 1 from each model.
Config ModelForStems(const Config& model, const StemSources& sources);

// `given`, weights of a model of `given_stems`, as weights of `model` (which `config` means), a
// view or a copy of each. Tensors that do not fit in other ways are handed on as they are, for
// CompareStates to name. The last stem of Open-Unmix with `residual` has no tensors: where it moves
// to another place it starts as initialised.
NamedTensors MoveStems(const NamedTensors& given, const std::vector<std::string>& given_stems,
                       const StemSources& sources, const Config& config,
                       const SeparationModel& model);

}  // namespace stemsmith
