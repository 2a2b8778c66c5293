// RuntimeOptions::wanted, for the runtimes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "separate/runtime.h"

namespace stemsmith {

// The indices of the wanted stems in `stems`, ascending; all where nobody says or none is wanted.
inline std::vector<std::size_t> WantedStems(const RuntimeOptions& options,
                                            const std::vector<std::string>& stems) {
  std::vector<std::string> wanted;
  if (options.wanted) wanted = options.wanted(stems);
  std::vector<std::size_t> indices;
  for (std::size_t s = 0; s < stems.size(); ++s) {
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), stems[s]) != wanted.end())
      indices.push_back(s);
  }
  return indices;
}

}  // namespace stemsmith
