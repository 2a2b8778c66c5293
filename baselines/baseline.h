// A classical method: settings in, songs to stems, without training.
//
// A Baseline never changes after it was made and may serve several threads, each with songs of its
// own. Its work on one song is done by one thread, so that results do not depend on how many there
// are; songs and methods are what runs side by side.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "core/host.h"
#include "separate/song_separator.h"

namespace stemsmith {

struct BaselineInput {
  std::unique_ptr<AudioReader> song;
  // Of methods that need them (BaselineRow::needs_references): the song's true stems, in the order
  // of stems().
  std::vector<std::unique_ptr<AudioReader>> references;
  std::filesystem::path file;  // the song's, for messages
  Host host;                   // asked within long work whether to stop
};

class Baseline {
 public:
  virtual ~Baseline() = default;
  virtual const std::vector<std::string>& stems() const = 0;
  // Files that decide what comes out, beside the settings.
  virtual std::vector<std::filesystem::path> files() const { return {}; }
  // Throws Error for references that do not fit the song; what is wrong with the audio comes out
  // of Read().
  virtual std::unique_ptr<SongSeparator> Open(BaselineInput input) const = 0;
};

// Throws Error::Stopped where the host asks to stop.
void StopIfAsked(const Host& host);

}  // namespace stemsmith
