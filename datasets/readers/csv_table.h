// Tables of text: RFC 4180 with any line ends, a byte order mark allowed, and `;` or tabs in the
// place of commas where the first line has more of them or says so (`sep=;`, as Excel writes it).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace stemsmith {

struct Row {
  std::vector<std::string> cells;  // without the spaces around them
  std::size_t line = 0;            // of its start, from 1
};

// The rows that hold anything, the first is the header. Throws Error with the line: no text, quotes
// that are not closed.
std::vector<Row> ReadTable(const std::filesystem::path& file);

}  // namespace stemsmith
