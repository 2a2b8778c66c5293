// Which songs a command line means, and where the stems of each go.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"

namespace stemsmith {

struct InputSong {
  std::filesystem::path file;
  std::filesystem::path folder;  // of its stems: output / track
  std::string track;             // the name to show; relative to the output folder
};

struct InputSongs {
  std::vector<InputSong> songs;    // in the order given, folders sorted by name
  std::vector<Error> problems;     // inputs that cannot be used; the others still can
  std::vector<std::string> notes;  // what was decided for the user: numbered names
};

// Files are taken as they are. Of folders, all audio files in them and below, but hidden ones and
// what lies in the output folder; of a folder that holds a `mixture` or `mix` only that, as its
// neighbours are its stems. Links to folders are followed, each folder once.
//
// A track is named as the file without its ending; `mixture` and `mix` as the folder that holds
// them. Songs of an input folder keep their subfolders below the output folder. A name that is
// taken gets -2, -3 … behind it.
//
// Throws Error::Usage where the output would mix with the input: the output folder is an input
// folder, or the stems of a song would land in the folder that the song lies in.
InputSongs CollectSongs(const std::vector<std::filesystem::path>& inputs,
                        const std::filesystem::path& output);

// Throws Error where `input` is nothing that can be separated: not there, an address, another kind
// of file.
void CheckSongIsThere(const std::filesystem::path& input);

}  // namespace stemsmith
