// The stems of a song as they are to be stored: mixed from its sources (SongMixer), without the
// silences that are cut out, and only the stretch that is wanted. One thread at a time; memory is
// bound by a block per source and the shortest silence that is cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/prepare/options.h"
#include "datasets/prepare/silence_trimmer.h"
#include "datasets/recipes/song_mixer.h"

namespace stemsmith {

class SongStream {
 public:
  // `track` and `mix` must outlive the stream. `decoded` is told of frames as they are mixed; what
  // it throws comes through. Throws Error as SongMixer does, as do the others.
  SongStream(const Track& track, const TrackMix& mix, const PrepareTrackOptions& options,
             std::function<void(std::size_t frames)> decoded);

  int columns() const { return mixer_->columns(); }
  int bits() const { return mixer_->bits(); }
  std::int64_t expected_frames() const { return mixer_->expected_frames(); }
  // The next block, [T, S · C], until the call after; 0 frames at the end.
  std::size_t Next(const float** stems);
  std::vector<std::string> Notes() const { return mixer_->Notes(); }  // at the end
  // Begins again.
  void Rewind();
  // Of what remains after trimming, only frames [begin, end). Begins again.
  void KeepOnly(std::int64_t begin, std::int64_t end);

 private:
  std::size_t NextTrimmed(const float** stems);

  const Track& track_;
  const TrackMix& mix_;
  const SongMixerOptions mixer_options_;
  std::optional<SilenceTrimmerOptions> trimmer_options_;
  const std::function<void(std::size_t)> decoded_;
  std::unique_ptr<SongMixer> mixer_;
  std::optional<SilenceTrimmer> trimmer_;
  bool ended_ = false;
  std::int64_t begin_ = 0, end_ = -1;  // -1: all
  std::int64_t position_ = 0;          // after trimming
};

}  // namespace stemsmith
