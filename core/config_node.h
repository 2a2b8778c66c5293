// Inside of Config: the tree that it looks at, how it is read from YAML and written as YAML.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace stemsmith {

// A copy of the YAML tree that remembers places. It is made by the functions below and never
// changes after that: a Config holds it as const. What was asked of it is no part of its value.
struct ConfigNode {
  enum class Kind { kNull, kScalar, kMap, kList };
  Kind kind = Kind::kMap;
  std::string scalar;
  bool quoted = false;
  std::vector<std::pair<std::string, std::shared_ptr<ConfigNode>>> entries;  // a map's, as in file
  std::vector<std::shared_ptr<ConfigNode>> items;                            // of a list
  std::string place;                                                         // "file.yaml:12"
  bool overridden = false;  // given as "key.path=value", which is its place

  // What was asked for: every key, and the default given where the key was missing.
  mutable std::set<std::string> asked;
  mutable std::vector<std::pair<std::string, std::shared_ptr<const ConfigNode>>> defaults;

  // The value of a key; null where it is missing, or null.
  std::shared_ptr<const ConfigNode> Find(const std::string& key) const;
  // The same, and remembers that it was asked for.
  std::shared_ptr<const ConfigNode> Ask(const std::string& key) const;
  std::shared_ptr<const ConfigNode> FindDefault(const std::string& key) const;
  // Remembers what a missing key stands for. The first one counts.
  void AddDefault(const std::string& key, std::shared_ptr<const ConfigNode> value) const;
  bool IsPlain() const { return kind == Kind::kScalar && !quoted; }
};

std::shared_ptr<ConfigNode> ScalarNode(std::string text, bool quoted = false);

// Reads a file with all that it `extends`. A key of the file that stands twice is an Error, or,
// given a place for `notes`, is said there and stands for its last value.
std::shared_ptr<ConfigNode> ReadConfigFile(const std::filesystem::path& path,
                                           std::vector<std::string>* notes = nullptr);
// `name` stands for the file in messages.
std::shared_ptr<ConfigNode> ParseConfig(const std::string& text, const std::string& name);
// Applies "key.path=value".
void OverrideConfig(const std::shared_ptr<ConfigNode>& root, const std::string& setting);

std::string ConfigText(const ConfigNode& node, bool with_defaults);

}  // namespace stemsmith
