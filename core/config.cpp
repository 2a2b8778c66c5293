#include "core/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/names.h"
#include "core/numbers.h"
#include "core/text.h"

namespace stemsmith {
namespace {

// Far beyond any configuration. Aliases of aliases (`b: [*a, *a]`, `c: [*b, *b]`, …) make few lines
// of text more values than memory holds, as they are copied here.
constexpr std::size_t kMostBytes = std::size_t{16} << 20;
constexpr std::size_t kMostValues = 100'000;
constexpr int kDeepest = 100;

Error TooDeep(const std::string& place) {
  return Error::Usage("the configuration is nested too deeply", place);
}

}  // namespace

// A copy of the YAML tree that remembers places and questions.
struct Config::Node {
  enum class Kind { kNull, kScalar, kMap, kList };
  Kind kind = Kind::kMap;
  std::string scalar;
  bool quoted = false;
  std::vector<std::pair<std::string, std::shared_ptr<Node>>> entries;  // of a map, in file order
  std::vector<std::shared_ptr<Node>> items;                            // of a list
  std::string place;                                                   // "file.yaml:12"
  // What was asked for: every key, and the default given where the key was missing.
  std::set<std::string> asked;
  std::vector<std::pair<std::string, std::shared_ptr<Node>>> defaults;

  std::shared_ptr<Node> Find(const std::string& key) const {
    for (const auto& [name, node] : entries) {
      if (name == key) return node->kind == Kind::kNull ? nullptr : node;
    }
    return nullptr;
  }
};

// The parts of the parser that need the node type.
struct ConfigParser {
  using Node = Config::Node;
  using NodePtr = std::shared_ptr<Node>;

  static std::string Place(const std::string& file, const YAML::Mark& mark) {
    return mark.is_null() ? file : file + ":" + std::to_string(mark.line + 1);
  }

  // `values` counts those of the whole file.
  static NodePtr Convert(const YAML::Node& yaml, const std::string& file, std::size_t& values,
                         int depth = 0) {
    auto node = std::make_shared<Node>();
    node->place = Place(file, yaml.Mark());
    if (depth > kDeepest) throw TooDeep(node->place);
    if (++values > kMostValues) {
      throw Error::Usage("the configuration holds more than " + std::to_string(kMostValues) +
                             " values, with those that aliases (*name) repeat",
                         node->place, "write a shorter one");
    }
    std::set<std::string> known;
    switch (yaml.Type()) {
      case YAML::NodeType::Null:
      case YAML::NodeType::Undefined:
        node->kind = Node::Kind::kNull;
        break;
      case YAML::NodeType::Scalar:
        node->kind = Node::Kind::kScalar;
        node->scalar = yaml.Scalar();
        node->quoted = yaml.Tag() == "!";
        break;
      case YAML::NodeType::Sequence:
        node->kind = Node::Kind::kList;
        for (const auto& item : yaml) node->items.push_back(Convert(item, file, values, depth + 1));
        break;
      case YAML::NodeType::Map:
        for (const auto& entry : yaml) {
          const std::string place = Place(file, entry.first.Mark());
          if (!entry.first.IsScalar()) throw Error::Usage("a key is not plain text", place);
          const std::string key = entry.first.Scalar();
          if (!known.insert(key).second)
            throw Error::Usage("the key '" + key + "' stands twice", place, "keep one of them");
          node->entries.emplace_back(key, Convert(entry.second, file, values, depth + 1));
          node->entries.back().second->place =
              place;  // the key's line reads better than the value's
        }
        break;
    }
    return node;
  }

  static NodePtr ParseYaml(const std::string& text, const std::string& name) {
    if (text.size() > kMostBytes) {
      throw Error::Usage(
          "a file of " + std::to_string(text.size() >> 20) + " MiB is no configuration", name,
          "give a YAML file");
    }
    try {
      std::size_t values = 0;
      NodePtr node = Convert(YAML::Load(text), name, values);
      if (node->kind == Node::Kind::kNull) node->kind = Node::Kind::kMap;
      return node;
    } catch (const YAML::Exception& error) {
      throw Error::Usage("this is not valid YAML: " + error.msg, Place(name, error.mark));
    }
  }

  // Maps merge key by key; everything else is replaced.
  static void Merge(const NodePtr& base, const NodePtr& over) {
    for (const auto& [key, value] : over->entries) {
      const auto found = std::find_if(base->entries.begin(), base->entries.end(),
                                      [&](const auto& entry) { return entry.first == key; });
      if (found == base->entries.end()) {
        base->entries.emplace_back(key, value);
      } else if (found->second->kind == Node::Kind::kMap && value->kind == Node::Kind::kMap) {
        Merge(found->second, value);
      } else {
        found->second = value;
      }
    }
  }

  static NodePtr LoadFile(const std::filesystem::path& path, int depth = 0) {
    if (depth > 16) throw Error::Usage("`extends` goes round in a circle", path.string());
    NodePtr node = ParseYaml(ReadFile(path), path.string());
    if (node->kind != Node::Kind::kMap)
      throw Error::Usage("a configuration must be a map of keys", path.string());
    const auto extends = std::find_if(node->entries.begin(), node->entries.end(),
                                      [](const auto& entry) { return entry.first == "extends"; });
    if (extends == node->entries.end()) return node;
    if (extends->second->kind != Node::Kind::kScalar) {
      throw Error::Usage("`extends` must name one file", extends->second->place);
    }
    NodePtr base = LoadFile(path.parent_path() / extends->second->scalar, depth + 1);
    node->entries.erase(extends);
    Merge(base, node);
    return base;
  }

  static void Override(const NodePtr& root, const std::string& setting) {
    const std::size_t equals = setting.find('=');
    const std::string place = "--set " + setting;
    if (equals == std::string::npos || equals == 0) {
      throw Error::Usage("an override must read key.path=value", place);
    }
    NodePtr node = root;
    std::string path = setting.substr(0, equals);
    if (std::count(path.begin(), path.end(), '.') > kDeepest) throw TooDeep("--set");
    NodePtr value = ParseYaml(setting.substr(equals + 1), place);
    value->place = place;
    for (;;) {
      const std::size_t dot = path.find('.');
      const std::string key = path.substr(0, dot);
      const bool last = dot == std::string::npos;
      NodePtr* slot = nullptr;
      if (node->kind == Node::Kind::kList) {
        const auto index = NumberIn<std::size_t>(key, {});
        if (!index || *index >= node->items.size()) {
          throw Error::Usage(
              "'" + key + "' is no item of a list of " + std::to_string(node->items.size()), place,
              "items are numbered from 0");
        }
        slot = &node->items[*index];
      } else {
        if (node->kind != Node::Kind::kMap) node->kind = Node::Kind::kMap, node->scalar.clear();
        for (auto& [name, child] : node->entries) {
          if (name == key) slot = &child;
        }
        if (slot == nullptr) {
          node->entries.emplace_back(key, std::make_shared<Node>());
          node->entries.back().second->place = place;
          slot = &node->entries.back().second;
        }
      }
      if (last) {
        *slot = value;
        return;
      }
      if ((*slot)->kind == Node::Kind::kNull) (*slot)->kind = Node::Kind::kMap;
      node = *slot;
      path = path.substr(dot + 1);
    }
  }

  static void Emit(YAML::Emitter& out, const Node& node, bool with_defaults) {
    switch (node.kind) {
      case Node::Kind::kNull:
        out << YAML::Null;
        break;
      case Node::Kind::kScalar:
        if (node.quoted) out << YAML::DoubleQuoted;
        out << node.scalar;
        break;
      case Node::Kind::kList: {
        const bool flat =
            std::all_of(node.items.begin(), node.items.end(),
                        [](const NodePtr& item) { return item->kind == Node::Kind::kScalar; });
        if (flat) out << YAML::Flow;
        out << YAML::BeginSeq;
        for (const NodePtr& item : node.items) Emit(out, *item, with_defaults);
        out << YAML::EndSeq;
        break;
      }
      case Node::Kind::kMap:
        out << YAML::BeginMap;
        for (const auto& [key, value] : node.entries) {
          out << YAML::Key << key << YAML::Value;
          Emit(out, *value, with_defaults);
        }
        if (with_defaults) {
          for (const auto& [key, value] : node.defaults) {
            out << YAML::Key << key << YAML::Value;
            Emit(out, *value, with_defaults);
          }
        }
        out << YAML::EndMap;
        break;
    }
  }

  static NodePtr Scalar(std::string text, bool quoted = false) {
    auto node = std::make_shared<Node>();
    node->kind = Node::Kind::kScalar;
    node->scalar = std::move(text);
    node->quoted = quoted;
    return node;
  }

  template <typename T, typename Write>
  static NodePtr ListOf(const std::vector<T>& values, Write write) {
    auto node = std::make_shared<Node>();
    node->kind = Node::Kind::kList;
    for (const T& value : values) node->items.push_back(Scalar(write(value)));
    return node;
  }

  static void Default(Node& parent, const std::string& key, NodePtr value) {
    for (const auto& [name, node] : parent.defaults) {
      if (name == key) return;
    }
    // A key that is present but null stays visible as its default.
    std::erase_if(parent.entries, [&](const auto& entry) { return entry.first == key; });
    parent.defaults.emplace_back(key, std::move(value));
  }

  static bool IsPlain(const Node& node) { return node.kind == Node::Kind::kScalar && !node.quoted; }

  static double ToNumber(const Node& node, const std::string& key) {
    const auto value = IsPlain(node) ? ParseNumber(node.scalar) : std::nullopt;
    if (value) return *value;
    throw Error::Usage("'" + key + "' must be a number" + Shown(node), node.place);
  }

  static std::string Shown(const Node& node) {
    switch (node.kind) {
      case Node::Kind::kScalar:
        return ", not '" + node.scalar + "'";
      case Node::Kind::kList:
        return ", not a list";
      case Node::Kind::kMap:
        return ", not a map";
      case Node::Kind::kNull:
        break;
    }
    return "";
  }

  static void Check(const Node& node) {
    for (const auto& [key, child] : node.entries) {
      if (!node.asked.contains(key)) {
        throw Error::Usage("unknown key '" + key + "'", child->place,
                           DidYouMean(key, node.asked,
                                      node.asked.empty() ? "nothing is configurable here"
                                                         : "known here: " + JoinNames(node.asked)));
      }
      Check(*child);
    }
    for (const NodePtr& item : node.items) Check(*item);
  }

  static NodePtr Ask(Node& parent, const std::string& key) {
    parent.asked.insert(key);
    return parent.Find(key);
  }

  static std::string Text(const Node& node, const std::string& key) {
    if (node.kind != Node::Kind::kScalar) {
      throw Error::Usage("'" + key + "' must be text" + Shown(node), node.place);
    }
    return node.scalar;
  }
};

Config::Config() : node_(std::make_shared<Node>()) {}
Config::Config(std::shared_ptr<Node> node) : node_(std::move(node)) {}

Config Config::Load(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  const auto root = ConfigParser::LoadFile(path);
  for (const std::string& setting : overrides) ConfigParser::Override(root, setting);
  return Config(root);
}

Config Config::Parse(const std::string& text, const std::string& name) {
  return Config(ConfigParser::ParseYaml(text, name));
}

bool Config::Has(const std::string& key) const { return node_->Find(key) != nullptr; }

Config Config::Child(const std::string& key) const {
  if (const auto child = ConfigParser::Ask(*node_, key)) {
    if (child->kind != Node::Kind::kMap) {
      throw Error::Usage("'" + key + "' must be a map of keys" + ConfigParser::Shown(*child),
                         child->place);
    }
    return Config(child);
  }
  for (const auto& [name, node] : node_->defaults) {
    if (name == key) return Config(node);
  }
  auto empty = std::make_shared<Node>();
  empty->place = node_->place;
  ConfigParser::Default(*node_, key, empty);
  return Config(empty);
}

Config Config::Child(const std::string& key, const Config& fallback) const {
  if (!Has(key)) ConfigParser::Default(*node_, key, fallback.node_);
  return Child(key);
}

Config Config::Value(const std::string& key) const {
  const auto node = ConfigParser::Ask(*node_, key);
  if (!node) throw Error::Usage("the key '" + key + "' is missing", Where());
  return Config(node);
}

std::vector<Config> Config::List(const std::string& key) const {
  std::vector<Config> items;
  const auto list = ConfigParser::Ask(*node_, key);
  if (!list) {
    ConfigParser::Default(*node_, key,
                          ConfigParser::ListOf<int>({}, [](int) { return std::string(); }));
    return items;
  }
  if (list->kind != Node::Kind::kList) {
    throw Error::Usage("'" + key + "' must be a list" + ConfigParser::Shown(*list), list->place);
  }
  for (const auto& item : list->items) items.push_back(Config(item));
  return items;
}

std::string Config::String(const std::string& key, const std::string& fallback) const {
  if (const auto node = ConfigParser::Ask(*node_, key)) return ConfigParser::Text(*node, key);
  ConfigParser::Default(*node_, key, ConfigParser::Scalar(fallback));
  return fallback;
}

std::string Config::RequiredString(const std::string& key) const {
  const auto node = ConfigParser::Ask(*node_, key);
  if (!node) throw Error::Usage("the key '" + key + "' is missing", Where());
  return ConfigParser::Text(*node, key);
}

double Config::Number(const std::string& key, double fallback) const {
  if (const auto node = ConfigParser::Ask(*node_, key)) return ConfigParser::ToNumber(*node, key);
  ConfigParser::Default(*node_, key, ConfigParser::Scalar(NumberText(fallback)));
  return fallback;
}

std::int64_t Config::Integer(const std::string& key, std::int64_t fallback) const {
  const auto node = ConfigParser::Ask(*node_, key);
  if (!node) {
    ConfigParser::Default(*node_, key, ConfigParser::Scalar(std::to_string(fallback)));
    return fallback;
  }
  const auto value = ConfigParser::IsPlain(*node) ? ParseInteger(node->scalar) : std::nullopt;
  if (value) return *value;
  throw Error::Usage("'" + key + "' must be a whole number" + ConfigParser::Shown(*node),
                     node->place);
}

bool Config::Bool(const std::string& key, bool fallback) const {
  const auto node = ConfigParser::Ask(*node_, key);
  if (!node) {
    ConfigParser::Default(*node_, key, ConfigParser::Scalar(fallback ? "true" : "false"));
    return fallback;
  }
  if (node->kind == Node::Kind::kScalar && !node->quoted) {
    if (node->scalar == "true") return true;
    if (node->scalar == "false") return false;
  }
  throw Error::Usage("'" + key + "' must be true or false" + ConfigParser::Shown(*node),
                     node->place);
}

std::vector<std::string> Config::Strings(const std::string& key,
                                         const std::vector<std::string>& fallback) const {
  const auto node = ConfigParser::Ask(*node_, key);
  if (!node) {
    ConfigParser::Default(*node_, key,
                          ConfigParser::ListOf(fallback, [](const std::string& s) { return s; }));
    return fallback;
  }
  if (node->kind == Node::Kind::kScalar) return {node->scalar};
  if (node->kind != Node::Kind::kList) {
    throw Error::Usage("'" + key + "' must be a list of texts" + ConfigParser::Shown(*node),
                       node->place);
  }
  std::vector<std::string> values;
  for (const auto& item : node->items) values.push_back(ConfigParser::Text(*item, key));
  return values;
}

std::vector<double> Config::Numbers(const std::string& key,
                                    const std::vector<double>& fallback) const {
  const auto node = ConfigParser::Ask(*node_, key);
  if (!node) {
    ConfigParser::Default(*node_, key,
                          ConfigParser::ListOf(fallback, [](double v) { return NumberText(v); }));
    return fallback;
  }
  if (node->kind != Node::Kind::kList) {
    throw Error::Usage("'" + key + "' must be a list of numbers" + ConfigParser::Shown(*node),
                       node->place);
  }
  std::vector<double> values;
  for (const auto& item : node->items) values.push_back(ConfigParser::ToNumber(*item, key));
  return values;
}

double Config::NumberIn(const std::string& key, double fallback, double low, double high) const {
  const double value = Number(key, fallback);
  if (!Range<double>{low, high}.Holds(value)) {
    throw Error::Usage("'" + key + "' is " + NumberText(value) + ", outside " + NumberText(low) +
                           " … " + NumberText(high),
                       Where(key));
  }
  return value;
}

std::int64_t Config::IntegerIn(const std::string& key, std::int64_t fallback, std::int64_t low,
                               std::int64_t high) const {
  const std::int64_t value = Integer(key, fallback);
  if (value < low || value > high) {
    throw Error::Usage("'" + key + "' is " + std::to_string(value) + ", outside " +
                           std::to_string(low) + " … " + std::to_string(high),
                       Where(key));
  }
  return value;
}

std::string Config::Choice(const std::string& key, const std::string& fallback,
                           const std::vector<std::string>& choices) const {
  const std::string value = String(key, fallback);
  RequireName(value, choices, "'" + key + "' cannot be '" + value + "'", Where(key));
  return value;
}

std::string Config::AsString() const { return ConfigParser::Text(*node_, "this item"); }

bool Config::IsMap() const { return node_->kind == Node::Kind::kMap; }

bool Config::IsList() const { return node_->kind == Node::Kind::kList; }

std::vector<Config> Config::Items() const {
  if (!IsList()) throw Error::Usage("this must be a list" + ConfigParser::Shown(*node_), Where());
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
  if (!key.empty()) {
    if (const auto node = node_->Find(key)) return node->place;
  }
  return node_->place;
}

void Config::CheckAllRead() const { ConfigParser::Check(*node_); }

std::string Config::Dump(bool with_defaults) const {
  YAML::Emitter out;
  ConfigParser::Emit(out, *node_, with_defaults);
  return std::string(out.c_str()) + "\n";
}

}  // namespace stemsmith
