#include "datasets/readers/csv_table.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string Place(const fs::path& file, std::size_t line) {
  return file.string() + ":" + std::to_string(line);
}

std::string_view FirstFilledLine(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
  return text.substr(0, text.find_first_of("\r\n"));
}

// The one that the first line has most of, outside of quotes.
char SeparatorOf(std::string_view text) {
  char best = ',';
  std::ptrdiff_t most = 0;
  for (const char separator : {',', ';', '\t'}) {
    std::ptrdiff_t count = 0;
    bool quoted = false;
    for (const char c : FirstFilledLine(text)) {
      if (c == '"') quoted = !quoted;
      count += c == separator && !quoted;
    }
    if (count > most) best = separator, most = count;
  }
  return best;
}

std::string_view Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

class Parser {
 public:
  Parser(const fs::path& file, std::string_view text) : file_(file), text_(text) {
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
    if (text_.find('\0') != text_.npos) {
      throw Error::Input("not a table: it holds zero bytes", file.string(),
                         "save it as CSV in UTF-8 (Excel calls it CSV UTF-8)");
    }
    if (!TakeSeparatorLine()) separator_ = SeparatorOf(text_);
  }

  // Rows that are not empty.
  std::vector<Row> Rows() {
    std::vector<Row> rows;
    while (at_ < text_.size()) {
      Row row;
      row.line = line_;
      do {
        row.cells.push_back(Cell());
      } while (Take(separator_));
      EndOfLine();
      if (row.cells.size() > 1 || !row.cells[0].empty()) rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  // Excel's first line: sep=; with nothing else but the separators of empty cells.
  bool TakeSeparatorLine() {
    const std::string_view line = FirstFilledLine(text_);
    std::string_view said = line;
    if (said.starts_with('"')) said.remove_prefix(1);
    if (said.size() < 5 || LowerCase(std::string(said.substr(0, 4))) != "sep=") return false;
    separator_ = said[4];
    if (said.substr(5).find_first_not_of(std::string("\"\t ") + separator_) != said.npos) {
      return false;
    }
    at_ = static_cast<std::size_t>(line.end() - text_.begin());
    EndOfLine();
    return true;
  }

  bool Take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void EndOfLine() {
    if (at_ >= text_.size()) return;
    if (Take('\r')) {
      Take('\n');
    } else if (!Take('\n')) {
      throw Error::Input("text behind the closing quote of a cell", Place(file_, line_),
                         "write a quote inside of a cell twice");
    }
    ++line_;
  }

  std::string Cell() {
    std::string cell;
    if (!Take('"')) {
      const std::string ends = std::string("\r\n") + separator_;
      const std::size_t end = std::min(text_.find_first_of(ends, at_), text_.size());
      cell = Trimmed(text_.substr(at_, end - at_));
      at_ = end;
      return cell;
    }
    const std::size_t begin_line = line_;
    for (;;) {
      if (at_ >= text_.size()) {
        throw Error::Input("a quote is not closed", Place(file_, begin_line),
                           "write a quote inside of a cell twice");
      }
      const char c = text_[at_++];
      if (c == '"' && !Take('"')) {
        while (at_ < text_.size() && text_[at_] == ' ') ++at_;
        return cell;
      }
      if (c == '\n' || (c == '\r' && (at_ >= text_.size() || text_[at_] != '\n'))) ++line_;
      cell += c;
    }
  }

  const fs::path& file_;
  std::string_view text_;
  char separator_ = ',';
  std::size_t at_ = 0, line_ = 1;
};

}  // namespace

std::vector<Row> ReadTable(const fs::path& file) {
  const std::string text = ReadFile(file);
  return Parser(file, text).Rows();
}

}  // namespace stemsmith
