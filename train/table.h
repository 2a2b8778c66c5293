// Looking up a row by name in one of the tables of this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/error.h"
#include "core/text.h"

namespace stemsmith {

// The row called `name`; throws Error that names the key's place and the nearest row. `kind` is
// "loss", ….
template <typename Row>
const Row& FindRow(const std::vector<Row>& table, std::string_view name, std::string_view kind,
                   const Config& config) {
  std::vector<std::string> names;
  for (const Row& row : table) {
    if (name == row.name) return row;
    names.emplace_back(row.name);
  }
  const std::string called(name), nearest = NearestName(called, names);
  throw Error::Usage(
      "unknown " + std::string(kind) + " '" + called + "'", config.Where("name"),
      nearest.empty() ? "there are: " + JoinNames(names) : "did you mean '" + nearest + "'?");
}

}  // namespace stemsmith
