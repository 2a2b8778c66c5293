// The true stems of songs, for methods that are shown them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "core/host.h"

namespace stemsmith {

// Opens FOLDER/STEM.wav (or another ending of audio files) for each stem. Throws Error where one is
// missing or lies there twice, and where rate, channels or a known length differ from the song's.
std::vector<std::unique_ptr<AudioReader>> OpenReferences(const std::filesystem::path& folder,
                                                         const std::vector<std::string>& stems,
                                                         const AudioInfo& song);

// Whether the references, which may be some of the song's stems, are in it: reads all once, and
// rewinds them. Throws Error where they have nothing in common with the song (another one's, or
// shifted), warns where they are in it at another level. Unequal lengths are left to others.
void CheckReferences(AudioReader& song, const std::vector<std::unique_ptr<AudioReader>>& references,
                     const std::filesystem::path& file, const Host& host);

}  // namespace stemsmith
