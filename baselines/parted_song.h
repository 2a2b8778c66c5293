// Songs for methods that look at all of a song at once. A song longer than a part is taken in
// parts that overlap and fade into each other, which bounds the memory.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "core/config.h"
#include "separate/song_separator.h"

namespace stemsmith {

struct PartOptions {
  // Of stereo at 44.1 kHz; a part of more channels or of a higher rate is shorter, so that it holds
  // as many samples.
  double seconds = 600;
  double overlap_seconds = 10;
};
// The settings part_seconds and part_overlap_seconds.
PartOptions ReadPartOptions(const Config& settings);

class PartedSong : public SongSeparator {
 public:
  // Separates audio in memory, which outlives what this gives.
  using OpenPart = std::function<std::unique_ptr<SongSeparator>(const AudioBuffer& part)>;

  PartedSong(std::unique_ptr<AudioReader> song, std::vector<std::string> stems,
             const PartOptions& options, OpenPart open);

  const AudioInfo& info() const override { return song_->info(); }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<Damage> damage() const override { return song_->damage(); }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override;

 private:
  bool NextPart();
  void FadeIn(std::size_t count, std::vector<std::vector<float>>& blocks) const;

  std::unique_ptr<AudioReader> song_;
  std::vector<std::string> stems_;
  OpenPart open_;
  std::size_t channels_, part_frames_, overlap_frames_;
  AudioBuffer part_;
  std::unique_ptr<SongSeparator> separator_;  // of the part
  std::size_t position_ = 0;                  // in the part
  std::size_t fade_frames_ = 0;           // its first frames, which the part before has in tail_
  std::vector<std::vector<float>> tail_;  // interleaved, per stem: the last overlap of a part
  bool ended_ = false;
};

}  // namespace stemsmith
