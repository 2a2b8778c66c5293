// The sources of one song decoded as streams and summed to target stems, a block at a time. Sources
// that are streams of one file (stem.mp4) are demuxed and decoded together, once.
//
// Memory is bound by a block per source. One thread at a time; different mixers are independent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "audio/decode.h"
#include "datasets/readers/track.h"
#include "datasets/recipes/recipe.h"

namespace stemsmith {

// Sources of a song may differ in length by this much (by any length where Track::lengths_vary);
// shorter ones end in silence.
inline constexpr double kLengthToleranceSeconds = 0.1;

struct SongMixerOptions {
  int sample_rate_hz = 44100;
  int channels = 2;  // C, of each target
  SourceChannels source_channels = SourceChannels::kStereo;
  OnDamage on_damage = OnDamage::kFail;
};

// The sources of a song that lie in one file, in the song's order.
struct SourceGroup {
  std::filesystem::path path;
  std::vector<std::size_t> sources;  // numbers in Track::sources
  std::vector<int> streams;          // of the file that these sources need, each once
};
std::vector<SourceGroup> GroupByFile(const Track& track);

// Opens the file of a group: SourceGroup::streams, one after another as channels. Throws Error
// as OpenAudio does, and for a file that has not SourceStem::file_streams streams.
std::unique_ptr<AudioReader> OpenGroup(const Track& track, const SourceGroup& group,
                                       OnDamage on_damage = OnDamage::kFail);

class SongMixer {
 public:
  // `track` and `mix` must outlive the mixer. Throws Error for files that cannot be opened, and
  // where the headers say that lengths differ.
  SongMixer(const Track& track, const TrackMix& mix, const SongMixerOptions& options);
  ~SongMixer();

  int columns() const;  // S · C
  int bits() const;     // the most of any source
  std::int64_t expected_frames() const;
  // The next block of all targets, [T, S · C], until the call after; 0 frames at the end. Throws
  // Error where a source is damaged, and at the end where lengths differ.
  std::size_t Next(const float** stems);
  // What of the files should be known: damage, and a stream taken of several. A line per file.
  std::vector<std::string> Notes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
