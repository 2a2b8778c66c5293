// Networks of Music-Source-Separation-Training (MSST) and of the packages around it, told by the
// names and shapes of their weights, which say more than the configurations that lie beside them.
#pragma once

#include <optional>
#include <string>

#include "models/weights/dialects/dialect.h"

namespace stemsmith {

// What weights say of their model: its name and sizes, the number of stems and channels; with the
// state in the model's names. Nothing for weights of other networks. Throws Error for networks that
// stemsmith does not have, by their names ("a Bandit v2, which stemsmith does not have").
std::optional<PlannedWeights> NetworkOf(const NamedTensors& state, const std::string& where);

// Whether a tensor holds constants of a formula (angles of positions), which a model computes
// itself: files hold them rounded, repeat them for each layer, keep them where the network no
// longer uses them, or leave them out.
bool IsConstant(const std::string& name);

}  // namespace stemsmith
