// stemsmith inspect: what a file of ours holds. One row per kind of file.
#include <array>
#include <cmath>
#include <fstream>
#include <map>

#include "core/error.h"
#include "datasets/cache_index.h"
#include "tools/stemsmith/commands.h"

namespace stemsmith {
namespace {

struct Arguments {
  std::filesystem::path file;
  bool songs = false;
  OutputMode mode = OutputMode::kAuto;
};

std::string FirstBytes(const std::filesystem::path& path, std::size_t count) {
  std::ifstream stream(path, std::ios::binary);
  std::string bytes(count, '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  return bytes;
}

bool IsCache(const std::filesystem::path& path) {
  return FirstBytes(path, 8) == "\x89HDF\r\n\x1a\n";
}

template <typename... Values>
std::string Line(const char* format, Values... values) {
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

struct SplitSummary {
  std::size_t songs = 0;
  double hours = 0;
};

void ShowCache(const Arguments& arguments) {
  const CacheIndex index = ReadCacheIndex(arguments.file);
  std::map<std::string, SplitSummary> splits;
  std::vector<double> power(index.stems.size());  // summed over frames
  double hours = 0, bytes = 0, frames = 0, int16_songs = 0;
  for (const TrackRecord& track : index.tracks) {
    const double track_hours = static_cast<double>(track.frames) / index.sample_rate_hz / 3600;
    splits[track.split].songs += 1;
    splits[track.split].hours += track_hours;
    hours += track_hours;
    bytes += static_cast<double>(track.bytes);
    frames += static_cast<double>(track.frames);
    int16_songs += track.sample_type == CacheSampleType::kInt16;
    for (std::size_t s = 0; s < power.size(); ++s) {
      if (track.rms_db[s] <= kLowestRmsDb) continue;
      power[s] += std::pow(10.0, track.rms_db[s] / 10) * static_cast<double>(track.frames);
    }
  }
  const auto level = [&](std::size_t s) {
    return power[s] > 0 ? 10 * std::log10(power[s] / frames) : kLowestRmsDb;
  };

  nlohmann::json fields = {{"kind", "cache"},
                           {"file", arguments.file.string()},
                           {"version", kCacheFormatVersion},
                           {"sample_rate_hz", index.sample_rate_hz},
                           {"channels", index.channels},
                           {"songs", index.tracks.size()},
                           {"hours", hours},
                           {"bytes", bytes},
                           {"dataset", {{"kind", index.kind}, {"root", index.root}}},
                           {"recipe", index.recipe},
                           {"command", index.command},
                           {"fingerprint", index.Fingerprint()},
                           {"stems", nlohmann::json::array()},
                           {"splits", nlohmann::json::object()}};
  std::string text = Line("cache %s\n  %zu songs, %.2f h, %s, %d Hz, %d channels\n",
                          arguments.file.c_str(), index.tracks.size(), hours,
                          FormatBytes(bytes).c_str(), index.sample_rate_hz, index.channels);
  text += Line("  samples      %.0f songs int16, %.0f float32\n", int16_songs,
               static_cast<double>(index.tracks.size()) - int16_songs);
  for (const auto& [name, split] : splits) {
    text +=
        Line("  split        %-8s %5zu songs %8.2f h\n", name.c_str(), split.songs, split.hours);
    fields["splits"][name] = {{"songs", split.songs}, {"hours", split.hours}};
  }
  for (std::size_t s = 0; s < index.stems.size(); ++s) {
    text += Line("  stem         %-20s %7.1f dB RMS\n", index.stems[s].c_str(), level(s));
    fields["stems"].push_back({{"name", index.stems[s]}, {"rms_db", level(s)}});
  }
  text += "  fingerprint  " + index.Fingerprint() + '\n';
  if (!index.command.empty()) text += "  made by      " + index.command + '\n';
  if (arguments.songs) {
    fields["tracks"] = nlohmann::json::array();
    for (const TrackRecord& track : index.tracks) {
      fields["tracks"].push_back(track.ToJson());
      text += Line("  %-6s %8.1f s", track.split.c_str(),
                   static_cast<double>(track.frames) / index.sample_rate_hz);
      for (const double rms_db : track.rms_db) text += Line(" %7.1f dB", rms_db);
      text += "  " + track.name + '\n';
    }
  }
  PrintResult(arguments.mode, text, fields);
}

// Asked in this order; the first that recognises the file shows it.
struct Inspector {
  const char* kind;
  bool (*recognises)(const std::filesystem::path& path);
  void (*show)(const Arguments& arguments);
};
constexpr Inspector kInspectors[] = {
    {"cache", IsCache, ShowCache},
};

void Run(const Arguments& arguments) {
  std::error_code ignored;
  if (!std::filesystem::exists(arguments.file, ignored)) {
    throw Error::Input("no such file", arguments.file.string());
  }
  std::string kinds;
  for (const Inspector& inspector : kInspectors) {
    if (inspector.recognises(arguments.file)) return inspector.show(arguments);
    kinds += (kinds.empty() ? "" : ", ") + std::string(inspector.kind);
  }
  throw Error::Input("not a file that stemsmith knows", arguments.file.string(),
                     "it shows: " + kinds);
}

}  // namespace

void AddInspectCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("inspect", "Show what a file of stemsmith holds");
  command->add_option("FILE", arguments->file, "A cache (cache.h5)")->required();
  command->add_flag("--songs", arguments->songs, "Cache: a line per song, with its levels");
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] { Run(*arguments); });
}

}  // namespace stemsmith
