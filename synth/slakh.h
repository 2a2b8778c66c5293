// Songs as Slakh2100 has them: a stem per instrument, mono flac, MIDI and metadata.yaml, after the
// published description (github.com/ethman/slakh-utils) and generator (ethman/slakh-generation).
//
// Levels: every rendered instrument is brought to -13 LUFS (ITU-R BS.1770-4); `integrated_loudness`
// is what it measured before. The sum is then brought down to a peak of -1 dBFS if it is louder,
// and `overall_gain` is the factor, which the stems on disk have had too: the plain sum of the
// stems is the mix. An instrument is left without audio (`audio_rendered: false`) where it is
// silent, and in every second song a track of effects for which there is no plugin.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "synth/song_order.h"

namespace stemsmith::synth {

// LayoutRow::places and LayoutRow::write of the layout `slakh`.
std::vector<std::filesystem::path> PlaceInSlakh(const std::filesystem::path& root,
                                                const std::string& split,
                                                const std::string& song_name);
void WriteSlakhTrack(const std::vector<std::filesystem::path>& paths, const SongOrder& order);

}  // namespace stemsmith::synth
