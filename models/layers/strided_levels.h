// What models of strided levels have in common.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"

namespace stemsmith {

// Throws Error where a step of the deepest level would be longer than any song. `key` names the
// stride in the configuration.
void CheckDeepestStep(const Config& config, const std::string& key, std::int64_t stride,
                      std::int64_t depth);

}  // namespace stemsmith
