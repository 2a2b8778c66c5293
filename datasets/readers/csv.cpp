// Reader `csv`: a table with a column of files per stem and a row per song, as people write them
// and as spreadsheets save them. docs/datasets.md shows one.
#include <algorithm>
#include <functional>
#include <initializer_list>

#include "audio/decode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "datasets/readers/csv_table.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] =
    "the first line names the columns: name, split, mixture (each optional) and one per stem";

std::string Place(const fs::path& file, std::size_t line) {
  return file.string() + ":" + std::to_string(line);
}

struct Columns {
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t name = kNone, split = kNone, mixture = kNone;
  std::vector<std::pair<std::size_t, std::string>> stems;
  std::size_t count = 0;
};

bool IsOneOf(const std::string& word, std::initializer_list<const char*> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// "vocals_path", "Vocals file" → "vocals", "Vocals"
std::string WithoutPath(const std::string& name) {
  const std::string lower = LowerCase(name);
  for (const char* word : {"filepath", "filename", "path", "file", "wav", "audio"}) {
    for (const char separator : {'_', ' ', '-', '.'}) {
      const std::string ending = separator + std::string(word);
      if (lower.size() > ending.size() && lower.ends_with(ending)) {
        return name.substr(0, name.size() - ending.size());
      }
    }
  }
  return name;
}

// Paths are relative to the folder of the table; spreadsheets on Windows write them with \.
fs::path FileOf(const std::string& cell, const fs::path& folder) {
  fs::path path = (folder / cell).lexically_normal();  // an absolute cell replaces the folder
  if (IsFile(path) || cell.find('\\') == cell.npos) return path;
  std::string slashes = cell;
  std::replace(slashes.begin(), slashes.end(), '\\', '/');
  fs::path other = (folder / slashes).lexically_normal();
  return IsFile(other) ? other : path;
}

const std::string& CellOf(const Row& row, std::size_t column) {
  static const std::string none;
  return column < row.cells.size() ? row.cells[column] : none;
}

// Whether a song has a cell in the column that is not empty and, where it matters, such a one.
bool AnyCell(const std::vector<Row>& rows, std::size_t column,
             const std::function<bool(const std::string&)>& holds = nullptr) {
  return std::any_of(rows.begin() + 1, rows.end(), [&](const Row& row) {
    const std::string& cell = CellOf(row, column);
    return !cell.empty() && (holds == nullptr || holds(cell));
  });
}

// Rows that a spreadsheet left blank, and cells behind the last column.
void LeaveOutBlanks(std::vector<Row>& rows) {
  std::erase_if(rows, [](const Row& row) {
    return std::all_of(row.cells.begin(), row.cells.end(),
                       [](const std::string& cell) { return cell.empty(); });
  });
  if (rows.empty()) return;
  std::vector<std::string>& header = rows.front().cells;
  while (header.back().empty() && !AnyCell(rows, header.size() - 1)) header.pop_back();
  for (Row& row : rows) {
    while (row.cells.size() > header.size() && row.cells.back().empty()) row.cells.pop_back();
  }
}

// A column whose cells are no files says something about the songs.
bool NamesFiles(const std::vector<Row>& rows, std::size_t column, const fs::path& folder) {
  return !AnyCell(rows, column) || AnyCell(rows, column, [&](const std::string& cell) {
    return HasAudioExtension(cell) || IsFile(FileOf(cell, folder));
  });
}

Columns ReadHeader(const std::vector<Row>& rows, const fs::path& file, const fs::path& folder,
                   ScanNotes& notes) {
  const Row& row = rows.front();
  Columns columns;
  columns.count = row.cells.size();
  const std::string where = Place(file, row.line);
  std::vector<std::string> seen;
  std::size_t other_name = Columns::kNone, other_split = Columns::kNone;
  for (std::size_t c = 0; c < row.cells.size(); ++c) {
    bool changed = false;
    std::string cell = AsUtf8(row.cells[c], &changed);
    cell.erase(0, cell.find_first_not_of(' '));
    cell.resize(cell.find_last_not_of(' ') + 1);
    if (changed) {
      throw Error::Input("a column's name is not UTF-8 text", where, "save the table as UTF-8");
    }
    if (cell.empty()) {
      if (!AnyCell(rows, c)) continue;
      throw Error::Input("column " + std::to_string(c + 1) + " has no name", where, kExpected);
    }
    const std::string lower = LowerCase(cell);
    const std::string name = WithoutPath(cell);
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      throw Error::Input("two columns are called \"" + name + "\"", where, "keep one of them");
    }
    if (lower == "name") {
      columns.name = c;
    } else if (lower == "split") {
      columns.split = c;
    } else if (IsMixtureName(name)) {
      columns.mixture = c;
    } else if (!NamesFiles(rows, c, folder)) {
      if (IsOneOf(lower, {"title", "song", "track", "track_name", "song_name"}))
        other_name = c;
      else if (IsOneOf(lower, {"subset", "set", "partition"}))
        other_split = c;
      else
        notes.AddName(Unused::kColumns, cell);
      continue;
    } else if (name.find('/') != name.npos || name.starts_with('.') || HasAudioExtension(cell)) {
      throw Error::Input("a stem cannot be called \"" + cell + "\"", where,
                         std::string("a stem's name becomes a file's; ") + kExpected);
    } else {
      columns.stems.emplace_back(c, name);
    }
    seen.push_back(name);
  }
  if (columns.stems.empty()) throw Error::Input("no column is a stem", where, kExpected);
  const auto take_other = [&](std::size_t& column, std::size_t other) {
    if (other == Columns::kNone) return;
    if (column == Columns::kNone)
      column = other;
    else
      notes.AddName(Unused::kColumns, row.cells[other]);
  };
  take_other(columns.name, other_name);
  take_other(columns.split, other_split);
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
    const fs::path path = FileOf(cell, folder);
    if (IsFile(path)) return path;
    bool changed = false;
    const std::string shown = AsUtf8(path.string(), &changed);
    fail("the file of \"" + column + "\" is missing: " + shown,
         changed ? "save the table as UTF-8" : "paths are relative to the folder of the table");
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
  if (!IsFolder(root)) {
    CheckIsFile(root);
    throw Error::Input("no such file", root.string(), "give the CSV file");
  }
  std::vector<fs::path> tables = Entries(root);
  std::erase_if(tables,
                [](const fs::path& path) { return path.extension() != ".csv" || !IsFile(path); });
  if (tables.size() == 1) return tables.front();
  throw Error::Input(tables.empty() ? "a folder without a table" : "a folder with several tables",
                     root.string(), "give the CSV file");
}

}  // namespace

std::vector<Track> ScanCsv(const ReaderOptions& options, ScanNotes& notes) {
  const fs::path file = TableOf(options.root);
  std::vector<Row> rows = ReadTable(file);
  LeaveOutBlanks(rows);
  if (rows.empty()) throw Error::Input("the table is empty", file.string(), kExpected);
  const fs::path folder = DatasetFolder(options);
  const Columns columns = ReadHeader(rows, file, folder, notes);
  std::vector<Track> tracks;
  for (std::size_t r = 1; r < rows.size(); ++r) {
    tracks.push_back(TrackOf(rows[r], columns, file, folder));
  }
  if (tracks.empty()) {
    throw Error::Input("no songs found", file.string(), "the table has only its first line");
  }
  AssignSplits(options, tracks, notes);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
