// Options of models that are ports: named as in the original, and not all of them mean something
// here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config.h"

namespace stemsmith {

// An option of the original that has this one value in every published model: others are refused.
void RequireOption(const Config& config, const std::string& key, const std::string& value);
// An option of the original that means nothing here (it steers parts that RequireOption switches
// off, or the training).
void IgnoreOption(const Config& config, const std::string& key);
// A list of whole numbers in [low, high], of any length.
std::vector<std::int64_t> IntegersIn(const Config& config, const std::string& key,
                                     const std::vector<std::int64_t>& fallback, std::int64_t low,
                                     std::int64_t high);

}  // namespace stemsmith
