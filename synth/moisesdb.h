// Songs as MoisesDB has them: a folder per song with data.json and a folder per stem, in which the
// recordings lie one by one, after the published library (github.com/moises-ai/moises-db). As in
// MoisesDB, stems are listed in several places (a stem's recordings in pairs), and recordings of a
// song differ: the kick drum is mono, the bass has 48 kHz, each ends with its last sound, and
// half a second of silence follows the singer in front.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "synth/song_order.h"

namespace stemsmith::synth {

// The song's folder: a UUID that depends on the name alone.
std::string MoisesDbName(const std::string& song_name);
// LayoutRow::places and LayoutRow::write of the layout `moisesdb`.
std::vector<std::filesystem::path> PlaceInMoisesDb(const std::filesystem::path& root,
                                                   const std::string& split,
                                                   const std::string& song_name);
void WriteMoisesDbSong(const std::vector<std::filesystem::path>& paths, const SongOrder& order);

}  // namespace stemsmith::synth
