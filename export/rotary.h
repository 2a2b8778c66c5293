// Rotary positions (Su et al. 2021) in the form that takes runtimes the fewest passes over memory.
#pragma once

#include <optional>
#include <string>

#include "export/lowering.h"

namespace stemsmith {

// Makes the complex product `result` of what `call` multiplies known to TurnedPart, where that is
// of a linear result with known weights by turns that are the same in all rows and heads.
void RememberTurned(Call& call, const std::string& result);

// One part of such a product, read as real numbers [R, N, heads, width], where `x` is that turned to
// [R, heads, N, width]; nothing where it is not. The numbers of a head come in another order, which
// is the same for all parts: only products of two of them may be taken.
std::optional<std::string> TurnedPart(GraphBuilder& b, const std::string& x);

}  // namespace stemsmith
