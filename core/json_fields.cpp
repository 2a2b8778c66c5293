#include "core/json_fields.h"

#include <algorithm>
#include <set>

namespace stemsmith {
namespace {

using nlohmann::json;

constexpr int kDeepest = 64;

// How deeply lists and objects are nested, strings left out.
int Depth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

std::string Shown(const json& value) {
  if (value.is_discarded()) return "no JSON";
  if (value.is_object()) return "a map";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 100) text = text.substr(0, 100) + "…";
  return text;
}

}  // namespace

json ParseJson(std::string_view text) {
  if (Depth(text) > kDeepest) return json(json::value_t::discarded);
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string JsonProblem(std::string_view text) {
  if (Depth(text) > kDeepest) return "it is nested too deeply";
  std::vector<std::set<std::string>> maps;
  std::string twice;
  try {
    json::parse(text, [&](int, json::parse_event_t event, json& value) {
      if (event == json::parse_event_t::object_start) maps.emplace_back();
      if (event == json::parse_event_t::object_end) maps.pop_back();
      if (event == json::parse_event_t::key &&
          !maps.back().insert(value.get<std::string>()).second && twice.empty())
        twice = value.get<std::string>();
      return true;
    });
  } catch (const json::parse_error& error) {
    const std::string_view before = text.substr(0, error.byte > 0 ? error.byte - 1 : 0);
    const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
    return "line " + std::to_string(1 + std::count(before.begin(), before.end(), '\n')) +
           ", column " + std::to_string(before.size() - line_begin + 1);
  }
  return twice.empty() ? "" : "the key '" + twice + "' stands twice";
}

JsonFields::JsonFields(const json& object, Fault fault)
    : object_(object), fault_(std::move(fault)) {
  if (!object_.is_object()) throw fault_(Shown(object_) + " where a map is expected");
}

const json& JsonFields::Value(const char* key) const {
  const auto found = object_.find(key);
  if (found == object_.end()) throw fault_(std::string("'") + key + "' is missing");
  return *found;
}

JsonFields JsonFields::Object(const char* key) const {
  const json& value = Value(key);
  if (!value.is_object()) Refuse(key, value, "a map");
  return {value, fault_};
}

void JsonFields::ForEach(const char* key,
                         const std::function<void(const JsonFields& item)>& read) const {
  for (const json& item : Items(key)) read(JsonFields(item, fault_));
}

std::string JsonFields::Text(const char* key) const {
  const json& value = Value(key);
  if (!value.is_string()) Refuse(key, value, "a text");
  return value.get<std::string>();
}

std::string JsonFields::Text(const char* key, const std::string& missing) const {
  return Has(key) ? Text(key) : missing;
}

std::vector<std::string> JsonFields::Texts(const char* key) const {
  std::vector<std::string> texts;
  for (const json& item : Items(key)) {
    if (!item.is_string()) Refuse(key, item, "a list of texts");
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

bool JsonFields::Bool(const char* key) const {
  const json& value = Value(key);
  if (!value.is_boolean()) Refuse(key, value, "true or false");
  return value.get<bool>();
}

const json& JsonFields::Items(const char* key) const {
  const json& value = Value(key);
  if (!value.is_array()) Refuse(key, value, "a list");
  return value;
}

void JsonFields::Refuse(const char* key, const json& value, const std::string& wanted) const {
  throw fault_(std::string("'") + key + "' is " + Shown(value) + ", not " + wanted);
}

}  // namespace stemsmith
