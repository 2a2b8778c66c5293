// From YAML to the tree: files, what they extend, overrides.
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "core/config_library.h"
#include "core/config_node.h"
#include "core/error.h"
#include "core/files.h"
#include "core/numbers.h"
#include "core/option.h"

namespace stemsmith {
namespace {

using NodePtr = std::shared_ptr<ConfigNode>;

// Far beyond any configuration. Aliases of aliases (`b: [*a, *a]`, `c: [*b, *b]`, …) make few lines
// of text more values than memory holds, as they are copied here.
constexpr std::size_t kMostBytes = std::size_t{16} << 20;
constexpr std::size_t kMostValues = 100'000;
constexpr int kDeepest = 100;

Error TooDeep(const std::string& place) {
  return Error::Usage("the configuration is nested too deeply", place);
}

std::string Place(const std::string& file, const YAML::Mark& mark) {
  return mark.is_null() ? file : file + ":" + std::to_string(mark.line + 1);
}

struct Source {
  std::string file;
  // On keys that stand twice. Null: they are errors, and numbers have digits alone.
  std::vector<std::string>* notes = nullptr;
  std::size_t values = 0;  // in the whole file
};

// In digits alone what YAML 1.1, and so Python, reads as whole numbers: 0x200 and 44_100.
std::string PlainDigits(const std::string& text) {
  std::string digits = text;
  std::erase(digits, '_');
  const bool hexadecimal = digits.starts_with("0x");
  const std::string_view rest = std::string_view(digits).substr(hexadecimal ? 2 : 0);
  const auto is_digit = [&](unsigned char c) { return hexadecimal ? isxdigit(c) : isdigit(c); };
  if (rest.empty() || rest.size() > 15 || !isdigit(static_cast<unsigned char>(text[0])) ||
      (!hexadecimal && digits == text) || !std::all_of(rest.begin(), rest.end(), is_digit))
    return text;
  return hexadecimal ? std::to_string(std::stoll(std::string(rest), nullptr, 16)) : digits;
}

// Adds the entries of the maps that `<<` names and the map does not have itself; of several the
// first counts (yaml.org/type/merge.html).
void AddMerged(const std::vector<NodePtr>& merged, ConfigNode& map) {
  for (const NodePtr& given : merged) {
    const bool list = given->kind == ConfigNode::Kind::kList;
    for (const NodePtr& other : list ? given->items : std::vector<NodePtr>{given}) {
      if (other->kind != ConfigNode::Kind::kMap)
        throw Error::Usage("'<<' merges maps alone", given->place, "name a map with *name");
      for (const auto& entry : other->entries)
        if (map.Find(entry.first) == nullptr) map.entries.push_back(entry);
    }
  }
}

NodePtr Convert(const YAML::Node& yaml, Source& source, int depth = 0) {
  auto node = std::make_shared<ConfigNode>();
  node->place = Place(source.file, yaml.Mark());
  if (depth > kDeepest) throw TooDeep(node->place);
  if (++source.values > kMostValues) {
    throw Error::Usage("the configuration holds more than " + std::to_string(kMostValues) +
                           " values, with those that aliases (*name) repeat",
                       node->place, "write a shorter one");
  }
  // Python's lists that never change, which training programs write; what else has such a tag would
  // be made by running code.
  constexpr std::string_view kPython = "tag:yaml.org,2002:python/";
  if (yaml.Tag().starts_with(kPython) && yaml.Tag() != "tag:yaml.org,2002:python/tuple")
    throw Error::Usage("a Python object (!!python/" + yaml.Tag().substr(kPython.size()) +
                           "), which is not read",
                       node->place, "write a number, a text, a list or a map in its place");
  std::set<std::string> known;
  std::vector<NodePtr> merged;
  switch (yaml.Type()) {
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      node->kind = ConfigNode::Kind::kNull;
      break;
    case YAML::NodeType::Scalar:
      node->kind = ConfigNode::Kind::kScalar;
      node->quoted = yaml.Tag() == "!";
      node->scalar = yaml.Scalar();
      if (source.notes != nullptr) {
        if (!node->quoted) node->scalar = PlainDigits(node->scalar);
        node->quoted = false;  // who asks for a number takes "2", too
      }
      break;
    case YAML::NodeType::Sequence:
      node->kind = ConfigNode::Kind::kList;
      for (const auto& item : yaml) node->items.push_back(Convert(item, source, depth + 1));
      break;
    case YAML::NodeType::Map:
      for (const auto& entry : yaml) {
        const std::string place = Place(source.file, entry.first.Mark());
        if (!entry.first.IsScalar()) throw Error::Usage("a key is not plain text", place);
        const std::string key = entry.first.Scalar();
        const NodePtr value = Convert(entry.second, source, depth + 1);
        value->place = place;  // the key's line reads better than the value's
        if (key == "<<") {
          merged.push_back(value);
          continue;
        }
        if (known.insert(key).second) {
          node->entries.emplace_back(key, value);
          continue;
        }
        if (source.notes == nullptr)
          throw Error::Usage("the key '" + key + "' stands twice", place, "keep one of them");
        source.notes->push_back("the key '" + key + "' stands twice, and the last one counts: " +
                                place);
        std::find_if(node->entries.begin(), node->entries.end(), [&](const auto& other) {
          return other.first == key;
        })->second = value;
      }
      AddMerged(merged, *node);
      break;
  }
  return node;
}

NodePtr ParseYaml(const std::string& text, const std::string& name,
                  std::vector<std::string>* notes = nullptr) {
  if (text.size() > kMostBytes) {
    throw Error::Usage(
        "a file of " + std::to_string(text.size() >> 20) + " MiB is no configuration", name,
        "give a YAML file");
  }
  try {
    Source source{name, notes};
    NodePtr node = Convert(YAML::Load(text), source);
    if (node->kind == ConfigNode::Kind::kNull) node->kind = ConfigNode::Kind::kMap;
    return node;
  } catch (const YAML::Exception& error) {
    throw Error::Usage("this is not valid YAML: " + error.msg, Place(name, error.mark));
  }
}

// Maps merge key by key; everything else is replaced. What is wrong with the whole is said of the
// file that extends the other.
void Merge(const NodePtr& base, const NodePtr& over) {
  base->place = over->place;
  for (const auto& [key, value] : over->entries) {
    const auto found = std::find_if(base->entries.begin(), base->entries.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    if (found == base->entries.end()) {
      base->entries.emplace_back(key, value);
    } else if (found->second->kind == ConfigNode::Kind::kMap &&
               value->kind == ConfigNode::Kind::kMap) {
      Merge(found->second, value);
    } else {
      found->second = value;
    }
  }
}

NodePtr LoadFile(const std::filesystem::path& path, std::vector<std::string>* notes,
                 int depth = 0) {
  if (depth > 16) throw Error::Usage("`extends` goes round in a circle", path.string());
  NodePtr node = ParseYaml(ReadFile(path), path.string(), notes);
  if (node->kind != ConfigNode::Kind::kMap)
    throw Error::Usage("a configuration must be a map of keys", path.string(),
                       "write lines such as 'key: value'");
  const auto extends = std::find_if(node->entries.begin(), node->entries.end(),
                                    [](const auto& entry) { return entry.first == "extends"; });
  if (extends == node->entries.end()) return node;
  if (extends->second->kind != ConfigNode::Kind::kScalar) {
    throw Error::Usage("`extends` must name one file", extends->second->place);
  }
  NodePtr base = LoadFile(FindConfig(extends->second->scalar, ConfigKind::kTraining,
                                     path.parent_path(), extends->second->place),
                          nullptr, depth + 1);
  node->entries.erase(extends);
  Merge(base, node);
  return base;
}

}  // namespace

std::shared_ptr<ConfigNode> ReadConfigFile(const std::filesystem::path& path,
                                           std::vector<std::string>* notes) {
  return LoadFile(path, notes);
}

std::shared_ptr<ConfigNode> ParseConfig(const std::string& text, const std::string& name) {
  return ParseYaml(text, name);
}

void OverrideConfig(const NodePtr& root, const std::string& setting) {
  const std::size_t equals = setting.find('=');
  const std::string place = Option("set", setting);
  if (equals == std::string::npos || equals == 0) {
    throw Error::Usage("an override must read key.path=value", place);
  }
  NodePtr node = root;
  std::string path = setting.substr(0, equals);
  if (std::count(path.begin(), path.end(), '.') > kDeepest) throw TooDeep(Option("set"));
  NodePtr value = ParseYaml(setting.substr(equals + 1), place);
  value->place = place;
  value->overridden = true;
  for (;;) {
    const std::size_t dot = path.find('.');
    const std::string key = path.substr(0, dot);
    const bool last = dot == std::string::npos;
    NodePtr* slot = nullptr;
    if (node->kind == ConfigNode::Kind::kList) {
      const auto index = NumberIn<std::size_t>(key, {});
      if (!index || *index >= node->items.size()) {
        throw Error::Usage(
            "'" + key + "' is no item of a list of " + std::to_string(node->items.size()), place,
            "items are numbered from 0");
      }
      slot = &node->items[*index];
    } else {
      if (node->kind != ConfigNode::Kind::kMap)
        node->kind = ConfigNode::Kind::kMap, node->scalar.clear();
      for (auto& [name, child] : node->entries) {
        if (name == key) slot = &child;
      }
      if (slot == nullptr) {
        node->entries.emplace_back(key, std::make_shared<ConfigNode>());
        node->entries.back().second->place = place;
        node->entries.back().second->overridden = true;
        slot = &node->entries.back().second;
      }
    }
    if (last) {
      *slot = value;
      return;
    }
    if ((*slot)->kind == ConfigNode::Kind::kNull) (*slot)->kind = ConfigNode::Kind::kMap;
    node = *slot;
    path = path.substr(dot + 1);
  }
}

}  // namespace stemsmith
