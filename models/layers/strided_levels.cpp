#include "models/layers/strided_levels.h"

#include <cmath>

#include "core/error.h"

namespace stemsmith {

void CheckDeepestStep(const Config& config, const std::string& key, std::int64_t stride,
                      std::int64_t depth) {
  if (std::pow(static_cast<double>(stride), static_cast<double>(depth)) <= 1e8) return;
  throw Error::Usage(key + " to the power of depth is beyond 100 million frames",
                     config.Where(config.Has("depth") ? "depth" : config.Has(key) ? key : ""),
                     "use fewer levels");
}

}  // namespace stemsmith
