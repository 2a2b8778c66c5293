// Songs as MedleyDB has them: a folder per song with the mixture, stems and the raw recordings of
// which stems are made, and a YAML file apart, after the published library and metadata
// (github.com/marl/medleydb). The drum kit is one stem of several recordings, and so are the
// singers in the background. Raw recordings are mono and 6 dB quieter than their share of the stem.
// The mixture is mastered: 2 dB louder than the sum of the stems, and limited.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "synth/song_order.h"

namespace stemsmith::synth {

// "song_012_a_minor_112bpm" → "Stemsmith_Song012AMinor112bpm": artist and title.
std::string MedleyDbName(const std::string& song_name);
// LayoutRow::places and LayoutRow::write of the layout `medleydb`.
std::vector<std::filesystem::path> PlaceInMedleyDb(const std::filesystem::path& root,
                                                   const std::string& split,
                                                   const std::string& song_name);
void WriteMedleyDbSong(const std::vector<std::filesystem::path>& paths, const SongOrder& order);

}  // namespace stemsmith::synth
