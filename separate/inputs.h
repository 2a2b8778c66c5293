// Which songs a command line means, and where the stems of each go.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "separate/file_names.h"

namespace stemsmith {

struct InputSong {
  std::filesystem::path file;
  std::string track;   // the name to show, {track} in those of the files
  std::string parent;  // the name of the folder that holds it
  std::string shown;   // what messages call the file
};

struct InputSongs {
  std::vector<InputSong> songs;    // in the order given, folders sorted by name
  std::vector<Error> problems;     // inputs that cannot be used; the others still can
  std::vector<std::string> notes;  // what was decided for the user: numbered names
  FileNames names;                 // of what they are separated into
};

// Files are taken as they are. Of folders, all audio files in them and below, but hidden ones and
// what lies in the output folder; of a folder that holds a `mixture` or `mix` only that, as its
// neighbours are its stems. Links to folders are followed, each folder once.
//
// What is not there and holds *, ? or [ is a pattern of glob(3) for those that are; ** stands for
// any folders.
//
// A track is named as the file without its ending; `mixture` and `mix` as the folder that holds
// them. Songs of an input folder keep their subfolders in it. Where two songs would get the same
// files, the second's track gets -2, -3 … behind it.
//
// Throws Error::Usage where the output would mix with the input: the output folder is an input
// folder, or the stems of a song would land in the folder that the song lies in, under names of
// their own; and where files that are not named by their track would be those of two songs.
// `more` are songs behind these that have been found already.
InputSongs CollectSongs(const std::vector<std::filesystem::path>& inputs,
                        const std::filesystem::path& output, const FileNames& names = {},
                        const std::vector<InputSong>& more = {});

// Whether a word that is no path may be a pattern for paths.
bool IsPattern(const std::string& word);

// Throws Error where `input` is nothing that can be separated: not there, an address, another kind
// of file.
void CheckSongIsThere(const std::filesystem::path& input);

}  // namespace stemsmith
