#include "core/config.h"

#include <algorithm>

#include "core/config_node.h"
#include "core/error.h"
#include "core/names.h"
#include "core/numbers.h"
#include "core/text.h"

namespace stemsmith {
namespace {

using Kind = ConfigNode::Kind;

template <typename T, typename Write>
std::shared_ptr<ConfigNode> ListOf(const std::vector<T>& values, Write write) {
  auto node = std::make_shared<ConfigNode>();
  node->kind = Kind::kList;
  for (const T& value : values) node->items.push_back(ScalarNode(write(value)));
  return node;
}

std::string Shown(const ConfigNode& node) {
  switch (node.kind) {
    case Kind::kScalar:
      return ", not '" + node.scalar + "'";
    case Kind::kList:
      return ", not a list";
    case Kind::kMap:
      return ", not a map";
    case Kind::kNull:
      break;
  }
  return "";
}

double ToNumber(const ConfigNode& node, const std::string& key) {
  const auto value = node.IsPlain() ? ParseNumber(node.scalar) : std::nullopt;
  if (value) return *value;
  throw Error::Usage("'" + key + "' must be a number" + Shown(node), node.place);
}

std::string Text(const ConfigNode& node, const std::string& key) {
  if (node.kind != Kind::kScalar)
    throw Error::Usage("'" + key + "' must be text" + Shown(node), node.place);
  return node.scalar;
}

const std::string& PlaceOf(const ConfigNode& node, const std::string& key) {
  const auto child = node.Find(key);
  return child ? child->place : node.place;
}

std::shared_ptr<ConfigNode> PlacedCopy(const ConfigNode& node, const std::string& place) {
  auto copy = std::make_shared<ConfigNode>(node);
  copy->place = place;
  for (auto& [key, child] : copy->entries) child = PlacedCopy(*child, place);
  for (auto& item : copy->items) item = PlacedCopy(*item, place);
  return copy;
}

// What was overridden in or below the node.
void CollectOverrides(const ConfigNode& node, std::vector<std::string>& places) {
  if (node.overridden) places.push_back(node.place);
  for (const auto& [key, child] : node.entries) CollectOverrides(*child, places);
  for (const auto& item : node.items) CollectOverrides(*item, places);
}

void CheckRead(const ConfigNode& node) {
  for (const auto& [key, child] : node.entries) {
    if (!node.asked.contains(key)) {
      throw Error::Usage("unknown key '" + key + "'", child->place,
                         DidYouMean(key, node.asked,
                                    node.asked.empty() ? "nothing is configurable here"
                                                       : "known here: " + JoinNames(node.asked)));
    }
    CheckRead(*child);
  }
  for (const auto& item : node.items) CheckRead(*item);
}

}  // namespace

Config::Config() : node_(std::make_shared<ConfigNode>()) {}
Config::Config(std::shared_ptr<const ConfigNode> node) : node_(std::move(node)) {}

Config Config::Load(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  const auto root = ReadConfigFile(path);
  for (const std::string& setting : overrides) OverrideConfig(root, setting);
  return Config(root);
}

Config Config::LoadForeign(const std::filesystem::path& path, std::vector<std::string>& notes) {
  return Config(ReadConfigFile(path, &notes));
}

Config Config::Parse(const std::string& text, const std::string& name) {
  return Config(ParseConfig(text, name));
}

bool Config::Has(const std::string& key) const { return node_->Find(key) != nullptr; }

Config Config::Child(const std::string& key) const {
  if (const auto child = node_->Ask(key)) {
    if (child->kind != Kind::kMap) {
      throw Error::Usage("'" + key + "' must be a map of keys" + Shown(*child), child->place);
    }
    return Config(child);
  }
  if (const auto given = node_->FindDefault(key)) return Config(given);
  auto empty = std::make_shared<ConfigNode>();
  empty->place = node_->place;
  node_->AddDefault(key, empty);
  return Config(empty);
}

Config Config::WithDefault(const std::string& key, const Config& fallback) const {
  auto copy = std::make_shared<ConfigNode>(*node_);
  if (!Has(key)) copy->AddDefault(key, fallback.node_);
  return Config(copy);
}

Config Config::WithPlaces(const std::map<std::string, std::string>& places) const {
  auto copy = std::make_shared<ConfigNode>(*node_);
  for (const auto& [key, place] : places) {
    if (key.empty()) copy->place = place;
    for (auto& [name, child] : copy->entries)
      if (name == key) child = PlacedCopy(*child, place);
  }
  return Config(copy);
}

Config Config::Value(const std::string& key) const {
  const auto node = node_->Ask(key);
  if (!node) throw Error::Usage("the key '" + key + "' is missing", Where());
  return Config(node);
}

std::vector<Config> Config::List(const std::string& key) const {
  std::vector<Config> items;
  const auto list = node_->Ask(key);
  if (!list) {
    node_->AddDefault(key, ListOf<int>({}, [](int) { return std::string(); }));
    return items;
  }
  if (list->kind != Kind::kList) {
    throw Error::Usage("'" + key + "' must be a list" + Shown(*list), list->place);
  }
  for (const auto& item : list->items) items.push_back(Config(item));
  return items;
}

std::string Config::String(const std::string& key, const std::string& fallback) const {
  if (const auto node = node_->Ask(key)) return Text(*node, key);
  node_->AddDefault(key, ScalarNode(fallback));
  return fallback;
}

std::string Config::RequiredString(const std::string& key) const {
  const auto node = node_->Ask(key);
  if (!node) throw Error::Usage("the key '" + key + "' is missing", Where());
  return Text(*node, key);
}

double Config::Number(const std::string& key, double fallback) const {
  if (const auto node = node_->Ask(key)) return ToNumber(*node, key);
  node_->AddDefault(key, ScalarNode(NumberText(fallback)));
  return fallback;
}

std::int64_t Config::Integer(const std::string& key, std::int64_t fallback) const {
  const auto node = node_->Ask(key);
  if (!node) {
    node_->AddDefault(key, ScalarNode(std::to_string(fallback)));
    return fallback;
  }
  const auto value = node->IsPlain() ? ParseInteger(node->scalar) : std::nullopt;
  if (value) return *value;
  throw Error::Usage("'" + key + "' must be a whole number" + Shown(*node), node->place);
}

bool Config::Bool(const std::string& key, bool fallback) const {
  const auto node = node_->Ask(key);
  if (!node) {
    node_->AddDefault(key, ScalarNode(fallback ? "true" : "false"));
    return fallback;
  }
  if (node->kind == Kind::kScalar && !node->quoted) {
    if (node->scalar == "true") return true;
    if (node->scalar == "false") return false;
  }
  throw Error::Usage("'" + key + "' must be true or false" + Shown(*node), node->place);
}

std::vector<std::string> Config::Strings(const std::string& key,
                                         const std::vector<std::string>& fallback) const {
  const auto node = node_->Ask(key);
  if (!node) {
    node_->AddDefault(key, ListOf(fallback, [](const std::string& s) { return s; }));
    return fallback;
  }
  if (node->kind == Kind::kScalar) return {node->scalar};
  if (node->kind != Kind::kList) {
    throw Error::Usage("'" + key + "' must be a list of texts" + Shown(*node), node->place);
  }
  std::vector<std::string> values;
  for (const auto& item : node->items) {
    if (item->kind != Kind::kScalar)
      throw Error::Usage("each item of '" + key + "' must be text" + Shown(*item), item->place);
    values.push_back(item->scalar);
  }
  return values;
}

std::vector<double> Config::Numbers(const std::string& key,
                                    const std::vector<double>& fallback) const {
  const auto node = node_->Ask(key);
  if (!node) {
    node_->AddDefault(key, ListOf(fallback, [](double v) { return NumberText(v); }));
    return fallback;
  }
  if (node->kind != Kind::kList) {
    throw Error::Usage("'" + key + "' must be a list of numbers" + Shown(*node), node->place);
  }
  std::vector<double> values;
  for (const auto& item : node->items) values.push_back(ToNumber(*item, key));
  return values;
}

double Config::NumberIn(const std::string& key, double fallback, double low, double high) const {
  const double value = Number(key, fallback);
  if (!Range<double>{low, high}.Holds(value)) {
    throw Error::Usage("'" + key + "' is " + NumberText(value) + ", outside " + NumberText(low) +
                           " … " + NumberText(high),
                       PlaceOf(*node_, key));
  }
  return value;
}

std::int64_t Config::IntegerIn(const std::string& key, std::int64_t fallback, std::int64_t low,
                               std::int64_t high) const {
  const std::int64_t value = Integer(key, fallback);
  if (value < low || value > high) {
    throw Error::Usage("'" + key + "' is " + std::to_string(value) + ", outside " +
                           std::to_string(low) + " … " + std::to_string(high),
                       PlaceOf(*node_, key));
  }
  return value;
}

std::string Config::Choice(const std::string& key, const std::string& fallback,
                           const std::vector<std::string>& choices) const {
  const std::string value = String(key, fallback);
  RequireName(value, choices, "'" + key + "' cannot be '" + value + "'", PlaceOf(*node_, key));
  return value;
}

std::string Config::AsString() const { return Text(*node_, "this item"); }

bool Config::IsMap() const { return node_->kind == Kind::kMap; }

bool Config::IsList() const { return node_->kind == Kind::kList; }

std::vector<Config> Config::Items() const {
  if (!IsList()) throw Error::Usage("this must be a list" + Shown(*node_), Where());
  std::vector<Config> items;
  for (const auto& item : node_->items) items.push_back(Config(item));
  return items;
}

std::vector<std::string> Config::Keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, node] : node_->entries) keys.push_back(key);
  return keys;
}

std::string Config::Where(const std::string& key) const {
  const auto child = key.empty() ? nullptr : node_->Find(key);
  const ConfigNode& node = child ? *child : *node_;
  if (node.overridden) return node.place;
  std::vector<std::string> overrides;
  CollectOverrides(node, overrides);
  if (child)
    for (const auto& [name, beside] : node_->entries)
      if (beside->overridden) overrides.push_back(beside->place);
  return overrides.empty() ? node.place : node.place + " with " + JoinNames(overrides, " and ");
}

void Config::CheckAllRead() const { CheckRead(*node_); }

std::string Config::Dump(bool with_defaults) const { return ConfigText(*node_, with_defaults); }

}  // namespace stemsmith
