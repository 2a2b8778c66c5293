// A configuration with all that it extends as one text, with comments.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "core/config_library.h"
#include "core/config_node.h"
#include "core/files.h"

namespace stemsmith {
namespace {

using Kind = ConfigNode::Kind;

// Of the keys that most people change.
const std::map<std::string, std::string>& UsualComments() {
  static const std::map<std::string, std::string> comments = {
      {"dataset.cache", "what `stemsmith prepare` wrote"},
      {"dataset.segment_seconds", "length of the pieces that are trained on"},
      {"augment", "changes to the songs while training (docs/augmentation.md); []: none"},
      {"optimizer.lr", "learning rate"},
      {"gradient_clip", "largest norm of the gradients; 0: no limit"},
      {"train.steps", "how long to train; or epochs, or max_seconds as well"},
      {"train.epochs", "how long to train; or steps, or max_seconds as well"},
      {"train.batch_size", "pieces per step; as many as the memory holds"},
      {"train.seed", "another one gives another run"},
      {"validate.every_steps", "steps between validations"},
      {"validate.max_segments", "pieces per validation; 0: all"},
      {"checkpoint.every_steps", "steps between checkpoints"},
      {"checkpoint.keep", "how many of them to keep"},
  };
  return comments;
}

class Writer {
 public:
  std::string Text(const ConfigNode& root) {
    for (const auto& [key, value] : root.entries) Write(key, *value, key, 0);
    return text_;
  }

 private:
  void Write(const std::string& key, const ConfigNode& value, const std::string& path, int depth) {
    const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
    const bool maps = std::any_of(value.items.begin(), value.items.end(),
                                  [](const auto& item) { return item->kind == Kind::kMap; });
    const bool opens = (value.kind == Kind::kMap && depth == 0 && !value.entries.empty()) || maps;
    text_ += indent + key + ":" + (opens ? "" : " " + Flow(value)) + Comment(value, path) + '\n';
    if (!opens) return;
    for (const auto& [name, child] : value.entries)
      Write(name, *child, path + "." + name, depth + 1);
    for (const auto& item : value.items)
      text_ += indent + "  - " + Flow(*item) + Comment(*item, "") + '\n';
  }

  // Between brackets and braces, these have to be quoted.
  static std::string ScalarText(const ConfigNode& node) {
    const bool special = node.scalar.find_first_of(",[]{}") != std::string::npos;
    std::string text = ConfigText(*ScalarNode(node.scalar, node.quoted || special), false);
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }

  static std::string Flow(const ConfigNode& node) {
    std::string text;
    switch (node.kind) {
      case Kind::kNull:
        return "null";
      case Kind::kScalar:
        return ScalarText(node);
      case Kind::kList:
        for (const auto& item : node.items) text += (text.empty() ? "" : ", ") + Flow(*item);
        return "[" + text + "]";
      case Kind::kMap:
        for (const auto& [key, value] : node.entries)
          text += (text.empty() ? "" : ", ") + key + ": " + Flow(*value);
        return "{" + text + "}";
    }
    return text;
  }

  // What stands behind the line that the node comes from, once; else what is usually said.
  std::string Comment(const ConfigNode& node, const std::string& path) {
    if (taken_.insert(node.place).second) {
      const std::string own = OfLine(node.place);
      if (!own.empty()) return "  # " + own;
    }
    const auto usual = UsualComments().find(path);
    return usual == UsualComments().end() ? "" : "  # " + usual->second;
  }

  std::string OfLine(const std::string& place) {
    const std::size_t colon = place.rfind(':');
    if (colon == std::string::npos) return "";
    const std::string file = place.substr(0, colon);
    auto& lines = files_[file];
    if (lines.empty()) {
      std::istringstream text(ReadFile(file));
      for (std::string line; std::getline(text, line);) lines.push_back(line);
    }
    const std::size_t number = std::stoul(place.substr(colon + 1));
    if (number == 0 || number > lines.size()) return "";
    const std::size_t hash = lines[number - 1].find(" # ");
    return hash == std::string::npos ? "" : lines[number - 1].substr(hash + 3);
  }

  std::string text_;
  std::set<std::string> taken_;
  std::map<std::string, std::vector<std::string>> files_;
};

// The comment that a file begins with.
std::string Head(const std::filesystem::path& file) {
  std::istringstream lines(ReadFile(file));
  std::string text;
  for (std::string line; std::getline(lines, line) && line.starts_with('#');) text += line + '\n';
  return text;
}

}  // namespace

std::string ConfigToEdit(const std::filesystem::path& file) {
  return Head(file) + Writer().Text(*ReadConfigFile(file));
}

}  // namespace stemsmith
