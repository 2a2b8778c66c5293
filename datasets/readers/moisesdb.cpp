// Reader `moisesdb`: MoisesDB, a folder per song with a folder per stem and data.json. The format
// is that of github.com/moises-ai/moises-db (moisesdb/track.py, moisesdb/defaults.py).
// docs/datasets.md shows the tree.
#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "core/error.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "core/names.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] =
    "expected ROOT/<id>/data.json or ROOT/<provider>/<id>/data.json, with <stem>/<id>.wav beside "
    "it";
constexpr char kMetadata[] = "data.json";
// As folders write them, with `_` for spaces.
constexpr std::array<const char*, 11> kStems{
    "vocals",     "bass",          "drums", "guitar",        "piano", "percussion",
    "other_keys", "other_plucked", "wind",  "bowed_strings", "other"};

// Folders of songs have the names of UUIDs: 8-4-4-4-12 digits.
bool IsUuid(const std::string& name) {
  constexpr std::string_view kForm = "00000000-0000-0000-0000-000000000000";
  return std::equal(name.begin(), name.end(), kForm.begin(), kForm.end(), [](char c, char form) {
    return form == '-' ? c == '-' : std::isxdigit(static_cast<unsigned char>(c)) != 0;
  });
}

bool IsSong(const fs::path& folder) {
  return IsUuid(folder.filename().string()) || IsFile(folder / kMetadata);
}

std::string WithSpaces(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

// One recording of a stem. Recordings of one instrument are numbered in the order of data.json.
void AddSource(const fs::path& song, const std::string& stem, const JsonFields& recording,
               std::map<std::string, int>& numbers, Track& track) {
  const std::string where = (song / kMetadata).string();
  const std::string id = recording.Text("id");
  const std::string file = id + "." + recording.Text("extension", "wav");
  CheckIsFileName(file, where);
  SourceStem source;
  source.path = song / stem / file;
  const std::string instrument = WithSpaces(recording.Text("trackType", ""));
  source.name = WithSpaces(stem) + (instrument.empty() ? "" : ": " + instrument);
  if (const int number = ++numbers[source.name]; number > 1)
    source.name += " " + std::to_string(number);
  const bool twice =
      std::any_of(track.sources.begin(), track.sources.end(),
                  [&](const SourceStem& other) { return other.path == source.path; });
  if (twice) {
    throw recording.Problem("the stem \"" + stem + "\" lists the file " + file + " twice");
  }
  if (!IsFile(source.path)) {
    throw Error::Input("the audio of \"" + source.name + "\" is missing: " + source.path.string(),
                       where, "copy or download the song again");
  }
  source.attributes = {{"stem", WithSpaces(stem)}};
  if (!instrument.empty()) source.attributes.emplace_back("instrument", instrument);
  track.sources.push_back(std::move(source));
}

// A stem may stand in several places of the list.
void ReadMetadata(const fs::path& song, Track& track) {
  const fs::path file = song / kMetadata;
  const std::string again = "copy or download the song again";
  if (!IsFile(file)) throw Error::Input("data.json is missing", song.string(), again);
  const nlohmann::json json = ParseJson(ReadFile(file));
  if (json.is_discarded()) throw Error::Input("not valid JSON", file.string(), again);
  const JsonFields metadata(json, [&](const std::string& problem) {
    return Error::Input(problem, file.string(), again);
  });
  std::map<std::string, int> numbers;
  metadata.ForEach("stems", [&](const JsonFields& stem) {
    const std::string name = stem.Text("stemName");
    if (std::find(kStems.begin(), kStems.end(), name) == kStems.end()) {
      throw Error::Input("unknown stem \"" + name + "\"", file.string(),
                         DidYouMean(name, kStems, "the stems are " + JoinNames(kStems)));
    }
    stem.ForEach("tracks", [&](const JsonFields& recording) {
      AddSource(song, name, recording, numbers, track);
    });
  });
  if (track.sources.empty()) throw Error::Input("data.json lists no audio", file.string(), again);
}

Track TrackOf(const SplitFolder& folder, ScanNotes& notes) {
  Track track;
  SetName(folder.path.filename().string(), track);
  track.split = folder.split;
  track.lengths_vary = true;
  try {
    ReadMetadata(folder.path, track);
  } catch (const Error& error) {
    if (!track.problem) track.problem = error;
  }
  if (track.problem) return track;
  NoteOtherFiles(folder.path, track, notes);
  for (const fs::path& stem : Entries(folder.path)) {
    if (IsFolder(stem)) NoteOtherFiles(stem, track, notes);
  }
  return track;
}

}  // namespace

std::vector<Track> ScanMoisesDb(const ReaderOptions& options, ScanNotes& notes) {
  RequireFolder(options.root);
  std::vector<Track> tracks;
  for (const SplitFolder& song : SongFolders(options.root, IsSong, notes)) {
    tracks.push_back(TrackOf(song, notes));
  }
  if (tracks.empty()) throw NothingFound("no songs found", options.root, kExpected, notes);
  AssignSplits(options, tracks, notes);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
