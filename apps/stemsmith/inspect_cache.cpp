// stemsmith inspect: caches.
#include <algorithm>
#include <map>
#include <vector>

#include "apps/stemsmith/inspect.h"
#include "core/decibel.h"
#include "core/length_text.h"
#include "core/text.h"
#include "datasets/cache/index.h"

namespace stemsmith {
namespace {

struct SplitSummary {
  std::size_t songs = 0;
  double hours = 0;
};

// The song in the middle by its loudness, and both ends: of those in which the stem sounds.
struct LoudnessSummary {
  std::vector<double> lufs;  // sorted
  double median() const {
    const std::size_t half = lufs.size() / 2;
    return lufs.size() % 2 == 1 ? lufs[half] : (lufs[half - 1] + lufs[half]) / 2;
  }
};

LoudnessSummary LoudnessOf(const CacheIndex& index, std::size_t stem) {
  LoudnessSummary summary;
  for (const TrackRecord& track : index.tracks) {
    // Older caches do not tell.
    if (track.loudness_lufs.empty() || track.loudness_lufs[stem] <= kLowestRmsDb) continue;
    summary.lufs.push_back(track.loudness_lufs[stem]);
  }
  std::sort(summary.lufs.begin(), summary.lufs.end());
  return summary;
}

}  // namespace

void InspectCache(const InspectArguments& arguments) {
  const CacheIndex index = ReadCacheIndex(arguments.file, Warn);
  std::map<std::string, SplitSummary> splits;
  std::vector<double> power(index.stems.size());  // summed over frames
  std::map<std::string, std::size_t> sample_types;
  double hours = 0, bytes = 0, frames = 0;
  std::size_t compressed_songs = 0;
  for (const TrackRecord& track : index.tracks) {
    const double track_hours = static_cast<double>(track.frames) / index.sample_rate_hz / 3600;
    splits[track.split].songs += 1;
    splits[track.split].hours += track_hours;
    hours += track_hours;
    bytes += static_cast<double>(track.bytes);
    frames += static_cast<double>(track.frames);
    sample_types[CacheSampleTypeName(track.sample_type)] += 1;
    compressed_songs += track.compression > 0;
    for (std::size_t s = 0; s < power.size(); ++s) {
      if (track.rms_db[s] <= kLowestRmsDb) continue;
      power[s] += PowerFromDb(track.rms_db[s]) * static_cast<double>(track.frames);
    }
  }
  const auto level = [&](std::size_t s) {
    return frames > 0 ? PowerToDb(power[s] / frames, kLowestRmsDb) : kLowestRmsDb;
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
                           {"sample_types", nlohmann::json::object()},
                           {"stems", nlohmann::json::array()},
                           {"splits", nlohmann::json::object()}};
  std::string text =
      Formatted("cache %s\n  %zu songs, %s, %s, %d Hz, %d channels\n", arguments.file.c_str(),
                index.tracks.size(), LengthText(3600 * hours).c_str(), FormatBytes(bytes).c_str(),
                index.sample_rate_hz, index.channels);
  if (index.spectrogram) {
    fields["spectrogram"] = ToJson(*index.spectrogram);
    text += Formatted("  spectrogram  magnitudes of n_fft %d, hop %d, instead of audio\n",
                      index.spectrogram->n_fft, index.spectrogram->hop);
  }
  for (const auto& [name, songs] : sample_types) {
    text += Formatted("  samples      %-8s %5zu songs\n", name.c_str(), songs);
    fields["sample_types"][name] = songs;
  }
  if (compressed_songs > 0) {
    text += Formatted("  compressed   %zu songs\n", compressed_songs);
    fields["compressed_songs"] = compressed_songs;
  }
  for (const auto& [name, split] : splits) {
    text += Formatted("  split        %-8s %5zu songs %8.2f h\n", name.c_str(), split.songs,
                      split.hours);
    fields["splits"][name] = {{"songs", split.songs}, {"hours", split.hours}};
  }
  for (std::size_t s = 0; s < index.stems.size(); ++s) {
    text += Formatted("  stem         %-20s %7.1f dB RMS", index.stems[s].c_str(), level(s));
    fields["stems"].push_back({{"name", index.stems[s]}, {"rms_db", level(s)}});
    if (const LoudnessSummary loudness = LoudnessOf(index, s); !loudness.lufs.empty()) {
      text += Formatted(" %7.1f LUFS in the median song (%.1f to %.1f)", loudness.median(),
                        loudness.lufs.front(), loudness.lufs.back());
      fields["stems"].back()["loudness_lufs"] = {{"median", loudness.median()},
                                                 {"lowest", loudness.lufs.front()},
                                                 {"highest", loudness.lufs.back()},
                                                 {"songs", loudness.lufs.size()}};
    }
    text += '\n';
  }
  text += "  fingerprint  " + index.Fingerprint() + '\n';
  if (!index.command.empty()) text += "  made by      " + index.command + '\n';
  if (arguments.songs) {
    fields["tracks"] = nlohmann::json::array();
    for (const TrackRecord& track : index.tracks) {
      fields["tracks"].push_back(track.ToJson());
      text += Formatted("  %-6s %8.1f s", track.split.c_str(),
                        static_cast<double>(track.frames) / index.sample_rate_hz);
      for (const double rms_db : track.rms_db) text += Formatted(" %7.1f dB", rms_db);
      text += "  " + track.name + '\n';
    }
  }
  PrintResult(arguments.mode, text, fields);
}

}  // namespace stemsmith
