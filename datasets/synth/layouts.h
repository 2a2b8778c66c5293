// How songs lie on disk: one table, a row per layout. A row says where a song lies and writes it to
// a temporary path; that it appears whole or not at all is the business of the caller.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "datasets/synth/renderer.h"
#include "datasets/synth/song.h"

namespace stemsmith::synth {

struct LayoutRow {
  const char* name;
  const char* summary;
  // The file or folder that holds the song.
  std::filesystem::path (*place)(const std::filesystem::path& root, const std::string& split,
                                 const std::string& song_name);
  // Writes the song to `path`, which does not exist yet but whose parent folder does.
  void (*write)(const std::filesystem::path& path, const Song& song, const RenderedSong& audio);
};

const std::vector<LayoutRow>& LayoutTable();
// Throws Error (nearest name, all names) for unknown layouts.
const LayoutRow& FindLayout(const std::string& name);

}  // namespace stemsmith::synth
