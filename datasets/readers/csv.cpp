// Reader `csv`: a table with a column of files per stem and a row per song. docs/datasets.md shows
// one. The format is RFC 4180 with any line ends, a byte order mark allowed, and `;` or tabs in the
// place of commas where the first line has no comma.
#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/files.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] =
    "the first line names the columns: name, split, mixture (each optional) and one per stem";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

struct Row {
  std::vector<std::string> cells;
  std::size_t line = 0;  // of its start, from 1
};

std::string Place(const fs::path& file, std::size_t line) {
  return file.string() + ":" + std::to_string(line);
}

char SeparatorOf(std::string_view text) {
  const std::string_view first = text.substr(0, text.find_first_of("\r\n"));
  for (const char separator : {',', ';', '\t'}) {
    if (first.find(separator) != first.npos) return separator;
  }
  return ',';
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
                         "save it as CSV in UTF-8");
    }
    separator_ = SeparatorOf(text_);
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
      if (c == '"' && !Take('"')) return cell;
      if (c == '\n' || (c == '\r' && (at_ >= text_.size() || text_[at_] != '\n'))) ++line_;
      cell += c;
    }
  }

  const fs::path& file_;
  std::string_view text_;
  char separator_ = ',';
  std::size_t at_ = 0, line_ = 1;
};

struct Columns {
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t name = kNone, split = kNone, mixture = kNone;
  std::vector<std::pair<std::size_t, std::string>> stems;
  std::size_t count = 0;
};

Columns ReadHeader(const Row& row, const fs::path& file) {
  Columns columns;
  columns.count = row.cells.size();
  const std::string where = Place(file, row.line);
  std::vector<std::string> seen;
  for (std::size_t c = 0; c < row.cells.size(); ++c) {
    bool changed = false;
    const std::string name = AsUtf8(row.cells[c], &changed);
    if (changed) throw Error::Input("a column's name is not UTF-8 text", where, "save as UTF-8");
    if (name.empty()) {
      throw Error::Input("column " + std::to_string(c + 1) + " has no name", where, kExpected);
    }
    if (name.find('/') != name.npos || name.starts_with('.')) {
      throw Error::Input("a stem cannot be called \"" + name + "\"", where,
                         "a stem's name becomes a file's");
    }
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      throw Error::Input("two columns are called \"" + name + "\"", where, "keep one of them");
    }
    seen.push_back(name);
    if (name == "name") {
      columns.name = c;
    } else if (name == "split") {
      columns.split = c;
    } else if (IsMixtureName(name)) {
      columns.mixture = c;
    } else {
      columns.stems.emplace_back(c, name);
    }
  }
  if (columns.stems.empty()) throw Error::Input("no column is a stem", where, kExpected);
  return columns;
}

// Without a column `name`: the folder where all files of the song lie in one, else the first file's
// name.
std::string NameFromFiles(const Track& track) {
  if (track.sources.empty()) return "";
  const fs::path& first = track.sources.front().path;
  const bool one_folder =
      track.sources.size() > 1 &&
      std::all_of(track.sources.begin(), track.sources.end(), [&](const SourceStem& source) {
        return source.path.parent_path() == first.parent_path();
      });
  const std::string folder = first.parent_path().filename().string();
  return one_folder && !folder.empty() ? folder : first.stem().string();
}

Track TrackOf(const Row& row, const Columns& columns, const fs::path& file,
              const fs::path& folder) {
  const std::string where = Place(file, row.line);
  Track track;
  const auto fail = [&](const std::string& what, const std::string& advice) {
    if (!track.problem) track.problem = Error::Input(what, where, advice);
  };
  const auto file_of = [&](const std::string& cell, const std::string& column) {
    const fs::path path =
        (folder / cell).lexically_normal();  // an absolute cell replaces the folder
    bool changed = false;
    if (!IsFile(path)) {
      fail("the file of \"" + column + "\" is missing: " + AsUtf8(path.string(), &changed),
           "paths are relative to the folder of the table");
    }
    return path;
  };
  track.split = "train";
  if (row.cells.size() != columns.count) {
    fail("the row has " + std::to_string(row.cells.size()) + " cells, not " +
             std::to_string(columns.count) + " as the first line",
         "put cells that hold a separator into quotes");
  } else {
    for (const auto& [c, stem] : columns.stems) {
      if (row.cells[c].empty()) continue;  // the song has no such stem
      track.sources.push_back({stem, file_of(row.cells[c], stem), kDefaultStream, {}});
    }
    if (track.sources.empty()) fail("the row names no file", "name one or remove the row");
    if (columns.mixture != Columns::kNone && !row.cells[columns.mixture].empty()) {
      track.mixture = file_of(row.cells[columns.mixture], "mixture");
    }
    if (columns.split != Columns::kNone && !row.cells[columns.split].empty()) {
      track.split = SplitOf(row.cells[columns.split]);
      if (track.split.empty()) {
        track.split = "train";
        bool changed = false;
        fail("\"" + AsUtf8(row.cells[columns.split], &changed) + "\" is no split",
             "write train, valid or test");
      }
    }
  }
  std::string name = columns.name < row.cells.size() ? row.cells[columns.name] : "";
  if (name.empty()) name = NameFromFiles(track);
  if (name.empty()) name = "line " + std::to_string(row.line);
  SetName(name, track);
  return track;
}

// ROOT itself, or the one table in it.
fs::path TableOf(const fs::path& root) {
  if (IsFile(root)) return root;
  if (!IsFolder(root)) throw Error::Input("no such file", root.string(), "give the CSV file");
  std::vector<fs::path> tables = Entries(root);
  std::erase_if(tables,
                [](const fs::path& path) { return path.extension() != ".csv" || !IsFile(path); });
  if (tables.size() == 1) return tables.front();
  throw Error::Input(tables.empty() ? "a folder without a table" : "a folder with several tables",
                     root.string(), "give the CSV file");
}

}  // namespace

std::vector<Track> ScanCsv(const ReaderOptions& options) {
  const fs::path file = TableOf(options.root);
  const std::string text = ReadFile(file);
  const std::vector<Row> rows = Parser(file, text).Rows();
  if (rows.empty()) throw Error::Input("the table is empty", file.string(), kExpected);
  const Columns columns = ReadHeader(rows.front(), file);
  std::vector<Track> tracks;
  for (std::size_t r = 1; r < rows.size(); ++r) {
    tracks.push_back(TrackOf(rows[r], columns, file, DatasetFolder(options)));
  }
  if (tracks.empty()) {
    throw Error::Input("no songs found", file.string(), "the table has only its first line");
  }
  AssignSplits(options, tracks);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
