#include <algorithm>
#include <map>
#include <tuple>

#include "core/error.h"
#include "core/names.h"
#include "core/progress.h"
#include "core/text.h"
#include "datasets/readers/readers.h"

namespace stemsmith {

const std::vector<ReaderRow>& ReaderTable() {
  static const std::vector<ReaderRow> table = {
      {"folders", "ROOT/[train|valid|test/]<song>/<stem>.<any audio format>", ScanFolders},
      {"musdb18", "ROOT/{train,test}/<song>.stem.mp4", ScanMusdb18},
      {"musdb18hq", "ROOT/{train,test}/<song>/{mixture,drums,bass,other,vocals}.wav",
       ScanMusdb18Hq},
      {"slakh", "ROOT/{train,validation,test}/TrackNNNNN/{metadata.yaml,mix.flac,stems/SNN.flac}",
       ScanSlakh},
      {"stem_pools", "ROOT/[train|valid|test/]<stem>/<take>.<any audio format>", ScanStemPools},
      {"csv", "ROOT is a table: a column of files per stem, a row per song", ScanCsv},
  };
  return table;
}

std::vector<Track> ScanDataset(const std::string& kind, const ReaderOptions& options,
                               std::vector<UnusedThings>* notes) {
  ScanNotes unused(DatasetFolder(options));
  std::vector<Track> tracks =
      FindRow(ReaderTable(), kind, "kind of dataset", "").scan(options, unused);
  if (notes != nullptr) {
    *notes = unused.List();
  } else {
    for (const UnusedThings& things : unused.List()) {
      Warn(options.root.string() + ": " + things.what + "; " + things.advice);
    }
  }
  return tracks;
}

bool IsMixtureName(const std::string& name) {
  const std::string lower = LowerCase(name);
  return lower == "mixture" || lower == "mix";
}

namespace {

// Length of the UTF-8 sequence at `at`, 0 when there is none (RFC 3629: no surrogates, no overlong
// forms).
std::size_t Utf8Length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(at + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned second = byte(at + 1);
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
    return tail(at + 1) && tail(at + 2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned second = byte(at + 1);
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
    return tail(at + 1) && tail(at + 2) && tail(at + 3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string AsUtf8(const std::string& bytes, bool* changed) {
  std::string text;
  *changed = false;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = Utf8Length(bytes, at);
    if (length == 0) {
      text += Formatted("\\x%02X", static_cast<unsigned char>(bytes[at]));
      *changed = true;
      ++at;
    } else {
      text.append(bytes, at, length);
      at += length;
    }
  }
  return text;
}

void SortAndMarkDuplicates(std::vector<Track>& tracks) {
  std::stable_sort(tracks.begin(), tracks.end(), [](const Track& a, const Track& b) {
    return std::tie(a.split, a.name) < std::tie(b.split, b.name);
  });
  std::map<std::string, std::string> split_of;
  for (Track& track : tracks) {
    const auto [first, is_new] = split_of.emplace(track.name, track.split);
    if (is_new || track.problem) continue;
    track.problem =
        Error::Input("two songs are called \"" + track.name + "\"",
                     first->second == track.split
                         ? "both are in the split " + track.split
                         : "one is in the split " + first->second + ", one in " + track.split,
                     "give one of them another name");
  }
}

}  // namespace stemsmith
