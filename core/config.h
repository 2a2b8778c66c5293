// YAML configurations that know which of their keys were read.
//
// Config::Load resolves `extends: base.yaml` (maps merge, lists and scalars replace), applies
// `key.path=value` overrides, and keeps file and line of every node. Getters give the documented
// default for a missing key and throw an Error with file and line for a value of the wrong kind.
// CheckAllRead() throws for the first key nobody asked for, naming the nearest key that somebody
// did. A configuration never changes: what was asked for is remembered beside it, which is why it
// is not thread-safe all the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace stemsmith {

struct ConfigNode;

class Config {
 public:
  Config();  // an empty map
  // Reads a file. `overrides` are "a.b=value" (value parsed as YAML; list items by number,
  // augment.0.name=gain).
  static Config Load(const std::filesystem::path& path,
                     const std::vector<std::string>& overrides = {});
  // As Load, of another program's file: of a key that stands twice the last counts, as in Python,
  // and `notes` says which one that was.
  static Config LoadForeign(const std::filesystem::path& path, std::vector<std::string>& notes);
  // Parses text; `name` stands for the file in messages.
  static Config Parse(const std::string& text, const std::string& name);

  bool Has(const std::string& key) const;  // present and not null; does not count as read
  // The child map or list item container; an empty Config when missing. Its keys are tracked too.
  Config Child(const std::string& key) const;
  // The same configuration with `fallback` as the default of `key`, for Child(key) and Dump(). What
  // was asked of either before is known to both; later, what is asked of their own keys to one.
  Config WithDefault(const std::string& key, const Config& fallback) const;
  // The same map, whose keys are said to stand, with all below them, where `places` says ("": the
  // map itself): of a map that was made of another.
  Config WithPlaces(const std::map<std::string, std::string>& places) const;
  // The value under `key` whatever its kind: map, list or scalar. Throws when it is missing.
  Config Value(const std::string& key) const;
  // The items of a list of maps or scalars under `key` (empty when missing).
  std::vector<Config> List(const std::string& key) const;

  std::string String(const std::string& key, const std::string& fallback) const;
  std::string RequiredString(const std::string& key) const;
  // As RequiredString, of a file or folder. Relative ones are looked for in the current folder and
  // in that of the configuration file: in this order where the file lies in or below the current
  // folder, else the other way round. What lies in neither is given back as it stands.
  std::filesystem::path Path(const std::string& key) const;
  // Throws Error with all that Path() looked for, where that was more than one place and nothing
  // was there; of a single place, who opens the file says it.
  void CheckPath(const std::string& key) const;
  double Number(const std::string& key, double fallback) const;
  std::int64_t Integer(const std::string& key, std::int64_t fallback) const;
  bool Bool(const std::string& key, bool fallback) const;
  std::vector<std::string> Strings(const std::string& key,
                                   const std::vector<std::string>& fallback = {}) const;
  std::vector<double> Numbers(const std::string& key,
                              const std::vector<double>& fallback = {}) const;
  // Number that must lie in [low, high]; the error names key, line and range.
  double NumberIn(const std::string& key, double fallback, double low, double high) const;
  std::int64_t IntegerIn(const std::string& key, std::int64_t fallback, std::int64_t low,
                         std::int64_t high) const;
  // One of `choices`; the error names the nearest.
  std::string Choice(const std::string& key, const std::string& fallback,
                     const std::vector<std::string>& choices) const;

  // The scalar that this node itself is (items of List); throws when it is a map.
  std::string AsString() const;
  bool IsMap() const;
  bool IsList() const;
  // The items of the list that this node itself is; throws when it is none.
  std::vector<Config> Items() const;
  // The keys of this map, in file order.
  std::vector<std::string> Keys() const;
  // "file.yaml:12" (of `key` when given and present).
  std::string Where(const std::string& key = "") const;
  // Throws for keys in this node and below that were never asked for.
  void CheckAllRead() const;
  // The YAML text of this node, with every default that was asked for filled in: the resolved
  // configuration. Without the defaults: what was given.
  std::string Dump(bool with_defaults = true) const;

 private:
  explicit Config(std::shared_ptr<const ConfigNode> node);
  std::shared_ptr<const ConfigNode> node_;
};

}  // namespace stemsmith
