// The true stems of songs, for methods that are shown them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audio/audio_reader.h"

namespace stemsmith {

// Opens FOLDER/STEM.wav (or another ending of audio files) for each stem. Throws Error where one is
// missing or lies there twice, and where rate, channels or a known length differ from the song's.
std::vector<std::unique_ptr<AudioReader>> OpenReferences(const std::filesystem::path& folder,
                                                         const std::vector<std::string>& stems,
                                                         const AudioInfo& song);

}  // namespace stemsmith
