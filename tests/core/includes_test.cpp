// What docs/architecture.md says of folders and what they may include is what the sources do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/files.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

struct Folder {
  bool torch = false;
  bool all = false;
  std::set<std::string> may_include;
};

std::vector<std::string> Cells(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream text(row);
  for (std::string cell; std::getline(text, cell, '|');) {
    const auto begin = cell.find_first_not_of(' ');
    cells.push_back(begin == std::string::npos
                        ? ""
                        : cell.substr(begin, cell.find_last_not_of(' ') - begin + 1));
  }
  return cells;  // the first is what stands before the first bar: nothing
}

// The table under "Folders": `folder/` | what | torch? | a, b, c.
std::map<std::string, Folder> Table() {
  std::map<std::string, Folder> table;
  std::istringstream text(ReadFile(fs::path(STEMSMITH_SOURCE_DIR) / "docs/architecture.md"));
  for (std::string line; std::getline(text, line);) {
    const auto cells = Cells(line);
    if (cells.size() != 5 || !cells[1].starts_with("`") || !cells[1].ends_with("/`")) continue;
    Folder& folder = table[cells[1].substr(1, cells[1].size() - 3)];
    folder.torch = cells[3] != "no";
    folder.all = cells[4] == "all below";
    std::istringstream names(cells[4]);
    for (std::string name; std::getline(names >> std::ws, name, ',');)
      if (name != "–") folder.may_include.insert(name);
  }
  return table;
}

// Sources and headers of all folders of the table, relative to the root.
std::vector<fs::path> Sources(const std::map<std::string, Folder>& table) {
  const fs::path root = STEMSMITH_SOURCE_DIR;
  std::set<std::string> tops;
  for (const auto& [row, unused] : table) tops.insert(fs::path(row).begin()->string());
  std::vector<fs::path> sources;
  for (const std::string& top : tops) {
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const fs::path extension = entry.path().extension();
      if (extension == ".cpp" || extension == ".h")
        sources.push_back(entry.path().lexically_relative(root));
    }
  }
  return sources;
}

// The row that `path` belongs to: the one with the longest name that it lies below.
std::string RowOf(const std::map<std::string, Folder>& table, const fs::path& path) {
  for (fs::path folder = path.parent_path(); !folder.empty(); folder = folder.parent_path())
    if (table.contains(folder.string())) return folder.string();
  return "";
}

TEST(Includes, GoOnlyWhereTheTableOfFoldersLetsThem) {
  const auto table = Table();
  ASSERT_THAT(table, testing::SizeIs(testing::Ge(15)));
  const fs::path root = STEMSMITH_SOURCE_DIR;
  const std::regex include(R"(^#include ["<]([^">]+)[">])");
  int read = 0;
  for (const fs::path& path : Sources(table)) {
    const std::string from = RowOf(table, path);
    ASSERT_NE(from, "") << path << " is in no row";
    std::istringstream text(ReadFile(root / path));
    for (std::string line; std::getline(text, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const fs::path target = match[1].str();
      ++read;
      if (*target.begin() == "torch" || *target.begin() == "ATen" || *target.begin() == "c10") {
        EXPECT_TRUE(table.at(from).torch) << path << " includes " << target;
      }
      const std::string to = RowOf(table, target);
      if (to.empty() || to == from || table.at(from).all) continue;
      EXPECT_TRUE(table.at(from).may_include.contains(to)) << path << " includes " << target;
    }
  }
  EXPECT_GT(read, 1000);
}

// A file, .h and .cpp together, stands above those that it includes: none of them, by whatever way,
// includes it. What both need is a file of its own below.
TEST(Includes, GoOnlyDownWithinAFolder) {
  const fs::path root = STEMSMITH_SOURCE_DIR;
  const std::regex include(R"(^#include "([^"]+)\.h")");
  std::map<std::string, std::set<std::string>> included;
  for (fs::path path : Sources(Table())) {
    std::istringstream text(ReadFile(root / path));
    const std::string from = path.replace_extension().string();
    for (std::string line; std::getline(text, line);) {
      std::smatch match;
      if (std::regex_search(line, match, include) && match[1] != from)
        included[from].insert(match[1]);
    }
  }
  EXPECT_GT(included.size(), 300u);
  std::set<std::string> done, above;
  const std::function<void(const std::string&)> visit = [&](const std::string& file) {
    above.insert(file);
    for (const std::string& next : included[file]) {
      EXPECT_FALSE(above.contains(next)) << file << " includes " << next << ", which includes it";
      if (!above.contains(next) && !done.contains(next)) visit(next);
    }
    above.erase(file);
    done.insert(file);
  };
  for (const auto& [file, unused] : std::map(included))
    if (!done.contains(file)) visit(file);
}

// No folder may include one that may, by some way, include it.
TEST(Includes, TableOfFoldersHasNoCircle) {
  const auto table = Table();
  std::map<std::string, std::set<std::string>> below;
  const std::function<const std::set<std::string>&(const std::string&, int)> visit =
      [&](const std::string& name, int depth) -> const std::set<std::string>& {
    std::set<std::string>& all = below[name];
    if (depth > 50 || !all.empty()) return all;
    for (const std::string& next : table.at(name).may_include) {
      if (!table.contains(next)) continue;
      all.insert(next);
      const std::set<std::string> more = visit(next, depth + 1);
      all.insert(more.begin(), more.end());
    }
    return all;
  };
  for (const auto& [name, folder] : table)
    EXPECT_FALSE(visit(name, 0).contains(name)) << name << " may include itself by others";
}

// Two types of one name in one namespace are one to the linker, which takes the functions of
// either for both. Those of sources by themselves belong into a namespace without a name.
TEST(Types, OfOneNameInANamespaceAreDefinedOnce) {
  const fs::path root = STEMSMITH_SOURCE_DIR;
  const std::regex space(R"(^namespace ([\w:]*) ?\{)"), end(R"(^\}  // namespace)"),
      type(R"(^(?:template <.*> )?(?:struct|class|enum class) (?:STEMSMITH_PUBLIC )?)"
           R"((\w+)(?: final)?(?: : .*)?(?: \{.*)?$)");
  std::map<std::string, std::set<std::string>> files;
  for (const fs::path& path : Sources(Table())) {
    std::vector<std::string> spaces;  // "" is one without a name
    std::istringstream text(ReadFile(root / path));
    for (std::string line; std::getline(text, line);) {
      std::smatch match;
      if (std::regex_search(line, match, space)) {
        spaces.push_back(match[1]);
      } else if (std::regex_search(line, end)) {
        if (!spaces.empty()) spaces.pop_back();
      } else if (std::regex_search(line, match, type)) {
        std::string name;
        bool has_name = true;
        for (const std::string& part : spaces) {
          has_name &= !part.empty();
          name += part + "::";
        }
        if (has_name) files[name + match[1].str()].insert(path.string());
      }
    }
  }
  EXPECT_GT(files.size(), 500u);
  for (const auto& [name, all] : files)
    EXPECT_THAT(all, testing::SizeIs(1)) << name;
}

}  // namespace
}  // namespace stemsmith
