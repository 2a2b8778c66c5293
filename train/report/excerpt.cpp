#include "train/report/excerpt.h"

#include <cmath>

#include "audio/encode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "evaluate/metrics.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr int kBitRate = 128'000;  // enough to hear how far the model is

// A stem's name as part of a file's: stems are named by people.
std::string FilePart(std::string name) {
  for (char& letter : name)
    if (letter == '/' || letter == '\0') letter = '_';
  return name;
}

// Which excerpts they are, whatever the model made of them.
nlohmann::json Places(const nlohmann::json& index) {
  nlohmann::json places = {index["sample_rate_hz"], index["stems"]};
  for (const nlohmann::json& song : index["songs"])
    places.push_back({song["name"], song["start_seconds"], song["seconds"]});
  return places;
}

nlohmann::json MakeIndex(const ExcerptSet& set) {
  nlohmann::json songs = nlohmann::json::array();
  for (const Excerpt& song : set.songs) {
    nlohmann::json sdr = nlohmann::json::object();
    for (std::size_t s = 0; s < set.stems.size(); ++s) {
      const double value =
          SignalToDistortionDb(song.targets[s].samples(), song.estimates[s].samples());
      sdr[set.stems[s]] = std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
    }
    songs.push_back({{"name", song.song},
                     {"folder", "song_" + std::to_string(songs.size() + 1)},
                     {"start_seconds", song.start_seconds},
                     {"seconds", static_cast<double>(song.mixture.frames()) / set.sample_rate_hz},
                     {"sdr_db", sdr}});
  }
  return {{"step", set.step},
          {"sample_rate_hz", set.sample_rate_hz},
          {"stems", set.stems},
          {"songs", songs}};
}

}  // namespace

fs::path ExcerptFile(const std::string& song_folder, const std::string& stem,
                     const std::string& kind) {
  return fs::path(song_folder) /
         (stem.empty() ? kind + ".ogg" : FilePart(stem) + "." + kind + ".ogg");
}

void SaveExcerpts(const fs::path& folder, const ExcerptSet& set,
                  const std::vector<std::int64_t>& shown) {
  nlohmann::json index = MakeIndex(set);
  index["shown_steps"] = shown;
  const nlohmann::json before = ReadExcerptIndex(folder);
  const bool same = before.is_object() && Places(before) == Places(index);
  const auto write = [&](const fs::path& file, const AudioBuffer& audio) {
    WriteAudio(folder / file, audio, set.sample_rate_hz, {.format = "ogg", .bit_rate = kBitRate});
  };
  for (std::size_t i = 0; i < set.songs.size(); ++i) {
    const Excerpt& song = set.songs[i];
    const auto name = index["songs"][i]["folder"].get<std::string>();
    if (!same) write(ExcerptFile(name, "", "mixture"), song.mixture);
    for (std::size_t s = 0; s < set.stems.size(); ++s) {
      if (!same) write(ExcerptFile(name, set.stems[s], "target"), song.targets[s]);
      write(ExcerptFile(name, set.stems[s], "estimate"), song.estimates[s]);
    }
  }
  WriteFileAtomically(folder / "index.json", index.dump(2) + "\n");
}

nlohmann::json ReadExcerptIndex(const fs::path& folder) {
  if (!fs::exists(folder / "index.json")) return nullptr;
  nlohmann::json index = ParseJson(ReadFile(folder / "index.json"));
  const auto has = [](const nlohmann::json& object, const char* key, auto is) {
    return object.is_object() && object.contains(key) && (object[key].*is)();
  };
  using Json = nlohmann::json;
  bool sound = has(index, "step", &Json::is_number_integer) &&
               has(index, "shown_steps", &Json::is_array) &&
               has(index, "sample_rate_hz", &Json::is_number_unsigned) &&
               index["sample_rate_hz"] > 0 && index["sample_rate_hz"] <= 768'000 &&
               has(index, "stems", &Json::is_array) && has(index, "songs", &Json::is_array);
  for (std::size_t i = 0; sound && i < index["shown_steps"].size(); ++i)
    sound = index["shown_steps"][i].is_number_integer();
  for (std::size_t i = 0; sound && i < index["stems"].size(); ++i)
    sound = index["stems"][i].is_string();
  for (std::size_t i = 0; sound && i < index["songs"].size(); ++i) {
    const Json& song = index["songs"][i];
    sound = has(song, "name", &Json::is_string) && has(song, "folder", &Json::is_string) &&
            has(song, "start_seconds", &Json::is_number) &&
            has(song, "seconds", &Json::is_number) && has(song, "sdr_db", &Json::is_object);
  }
  return sound ? index : nullptr;
}

}  // namespace stemsmith
