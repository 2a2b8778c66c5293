#include "models/weights/dialects/json_options.h"

namespace stemsmith {

nlohmann::ordered_json JsonOption(const Config& node) {
  using OrderedJson = nlohmann::ordered_json;
  if (node.IsList()) {
    OrderedJson list = OrderedJson::array();
    for (const Config& item : node.Items()) list.push_back(JsonOption(item));
    return list;
  }
  std::string text = node.AsString();
  if (text == "True" || text == "False") text[0] = text[0] == 'T' ? 't' : 'f';
  const OrderedJson value = OrderedJson::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_number() || value.is_boolean() ? value : OrderedJson(text);
}

nlohmann::ordered_json JsonOptions(const Config& map) {
  nlohmann::ordered_json options = nlohmann::ordered_json::object();
  for (const std::string& key : map.Keys())
    if (map.Has(key)) options[key] = JsonOption(map.Value(key));
  return options;
}

}  // namespace stemsmith
