#include "core/json_text.h"

#include <cmath>

#include "core/text.h"

namespace stemsmith {

std::string JsonText(const nlohmann::json& value) {
  if (value.is_null()) return "–";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) {
    const double number = value.get<double>();
    return Formatted(std::abs(number) >= 1000 && std::abs(number) < 1e15 ? "%.0f" : "%.4g", number);
  }
  if (!value.is_structured()) return value.dump();
  std::string text;
  for (const auto& [key, item] : value.items()) {
    if (!text.empty()) text += ", ";
    if (value.is_object()) text += key + " ";
    text += item.is_structured() ? "(" + JsonText(item) + ")" : JsonText(item);
  }
  return text;
}

}  // namespace stemsmith
