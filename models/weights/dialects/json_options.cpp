#include "models/weights/dialects/json_options.h"

#include "core/numbers.h"
#include "core/text.h"

namespace stemsmith {

nlohmann::ordered_json JsonOption(const Config& node) {
  using OrderedJson = nlohmann::ordered_json;
  if (node.IsList()) {
    OrderedJson list = OrderedJson::array();
    for (const Config& item : node.Items()) list.push_back(JsonOption(item));
    return list;
  }
  if (node.IsMap()) return JsonOptions(node);
  const std::string text = node.AsString(), word = LowerCase(text);
  if (word == "true" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "no" || word == "off") return false;
  const OrderedJson value = OrderedJson::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_number()) return value;
  if (const auto number = ParseNumber(text)) return *number;  // ".5", "1."
  return text;
}

nlohmann::ordered_json JsonOptions(const Config& map) {
  nlohmann::ordered_json options = nlohmann::ordered_json::object();
  for (const std::string& key : map.Keys())
    if (map.Has(key)) options[key] = JsonOption(map.Value(key));
  return options;
}

std::map<std::string, std::string> OptionPlaces(const Config& map) {
  std::map<std::string, std::string> places = {{"", map.Where()}};
  for (const std::string& key : map.Keys()) places[key] = map.Where(key);
  return places;
}

}  // namespace stemsmith
