// The tree itself, and from it to YAML.
#include "core/config_node.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

namespace stemsmith {
namespace {

void Emit(YAML::Emitter& out, const ConfigNode& node, bool with_defaults) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      out << YAML::Null;
      break;
    case ConfigNode::Kind::kScalar:
      if (node.quoted) out << YAML::DoubleQuoted;
      out << node.scalar;
      break;
    case ConfigNode::Kind::kList: {
      const bool flat = std::all_of(node.items.begin(), node.items.end(), [](const auto& item) {
        return item->kind == ConfigNode::Kind::kScalar;
      });
      if (flat) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (const auto& item : node.items) Emit(out, *item, with_defaults);
      out << YAML::EndSeq;
      break;
    }
    case ConfigNode::Kind::kMap:
      out << YAML::BeginMap;
      for (const auto& [key, value] : node.entries) {
        // A key that is there but null stands for its default.
        if (value->kind == ConfigNode::Kind::kNull && node.FindDefault(key)) continue;
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

template <typename Pairs>
std::shared_ptr<const ConfigNode> Look(const Pairs& pairs, const std::string& key) {
  const auto found =
      std::find_if(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.first == key; });
  return found == pairs.end() ? nullptr : found->second;
}

}  // namespace

std::shared_ptr<const ConfigNode> ConfigNode::Find(const std::string& key) const {
  const auto node = Look(entries, key);
  return node && node->kind == Kind::kNull ? nullptr : node;
}

std::shared_ptr<const ConfigNode> ConfigNode::Ask(const std::string& key) const {
  asked.insert(key);
  return Find(key);
}

std::shared_ptr<const ConfigNode> ConfigNode::FindDefault(const std::string& key) const {
  return Look(defaults, key);
}

void ConfigNode::AddDefault(const std::string& key, std::shared_ptr<const ConfigNode> value) const {
  if (!FindDefault(key)) defaults.emplace_back(key, std::move(value));
}

std::shared_ptr<ConfigNode> ScalarNode(std::string text, bool quoted) {
  auto node = std::make_shared<ConfigNode>();
  node->kind = ConfigNode::Kind::kScalar;
  node->scalar = std::move(text);
  node->quoted = quoted;
  return node;
}

std::string ConfigText(const ConfigNode& node, bool with_defaults) {
  YAML::Emitter out;
  Emit(out, node, with_defaults);
  return std::string(out.c_str()) + "\n";
}

}  // namespace stemsmith
