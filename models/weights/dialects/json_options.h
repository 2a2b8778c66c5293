// Options of a configuration as JSON.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/config.h"

namespace stemsmith {

// A number, a boolean (as Python's readers of YAML take it: True, yes, off), a text, or a list or
// map of such. Numbers keep their kind: 2 stays whole.
nlohmann::ordered_json JsonOption(const Config& node);
// A map of options; those that are null are left out.
nlohmann::ordered_json JsonOptions(const Config& map);
// Where each of them stands, "kim.yaml:12"; "": the map itself.
std::map<std::string, std::string> OptionPlaces(const Config& map);

}  // namespace stemsmith
