// What several take of one song that is separated once.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "separate/song_separator.h"

namespace stemsmith {

// Stems of a song for readers that need not be at the same place: what the first has read waits for
// the last. One thread at a time, with all its readers.
class SharedStems {
 public:
  // With a folder all of it is kept in files there that have no names, so that it can be read
  // again; else what all have read is dropped, and all readers are made before one reads.
  explicit SharedStems(std::unique_ptr<SongSeparator> song,
                       const std::filesystem::path& folder = {});
  // One stem as a recording. Readers keep what they share alive. Rewind() needs a folder.
  std::unique_ptr<AudioReader> Reader(std::size_t stem);

 private:
  struct State;
  class StemReader;
  std::shared_ptr<State> state_;
};

// Recordings of one length, rate and number of channels as a song whose stems they are.
std::unique_ptr<SongSeparator> GatherStems(std::vector<std::string> names,
                                           std::vector<std::unique_ptr<AudioReader>> stems);

}  // namespace stemsmith
