// How songs lie on disk: one table, a row per layout. A row says where a song lies, and renders and
// writes it to temporary paths; that it appears whole or not at all is the business of the caller.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "synth/song_order.h"

namespace stemsmith::synth {

struct ListedSong {
  std::string name, split;  // "train", "valid" or "test"
};

struct LayoutRow {
  const char* name;
  const char* summary;
  // The files or folders that hold the song; it is there when all of them are.
  std::vector<std::filesystem::path> (*places)(const std::filesystem::path& root,
                                               const std::string& split,
                                               const std::string& song_name);
  // Renders the song and writes it to `paths`, one for each place and in the same order, which do
  // not exist yet but whose parent folders do. Throws Error.
  void (*write)(const std::vector<std::filesystem::path>& paths, const SongOrder& order);
  // The file in `root` that lists the songs, and what it says; null where the layout has none.
  const char* list_name = nullptr;
  std::string (*list)(const std::vector<ListedSong>& songs) = nullptr;
};

const std::vector<LayoutRow>& LayoutTable();
// Throws Error (nearest name, all names) for unknown layouts.
const LayoutRow& FindLayout(std::string_view name);

}  // namespace stemsmith::synth
