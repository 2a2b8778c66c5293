#include "datasets/prepare/song_stream.h"

#include <algorithm>
#include <cmath>

namespace stemsmith {
namespace {

SilenceTrimmerOptions TrimmerOptions(const PrepareTrackOptions& options) {
  SilenceTrimmerOptions trimmer;
  trimmer.stems = static_cast<int>(options.stems.size());
  trimmer.channels = options.channels;
  trimmer.threshold_db = *options.trim.silence_db;
  const double rate = options.sample_rate_hz;
  trimmer.min_silence_frames =
      std::max<std::int64_t>(std::llround(options.trim.min_silence_seconds * rate), 1);
  trimmer.guard_frames = std::min<std::int64_t>(std::llround(kSilenceGuardSeconds * rate),
                                                trimmer.min_silence_frames / 2);
  return trimmer;
}

}  // namespace

SongStream::SongStream(const Track& track, const TrackMix& mix, const PrepareTrackOptions& options,
                       std::function<void(std::size_t)> decoded)
    : track_(track),
      mix_(mix),
      mixer_options_{options.sample_rate_hz, options.channels,
                     options.source_channels.Of(track.split), options.on_damage},
      decoded_(std::move(decoded)) {
  if (options.trim.silence_db) trimmer_options_ = TrimmerOptions(options);
  Rewind();
}

void SongStream::Rewind() {
  mixer_ = std::make_unique<SongMixer>(track_, mix_, mixer_options_);
  if (trimmer_options_) trimmer_.emplace(*trimmer_options_);
  ended_ = false;
  position_ = 0;
}

void SongStream::KeepOnly(std::int64_t begin, std::int64_t end) {
  begin_ = begin;
  end_ = end;
  Rewind();
}

std::size_t SongStream::NextTrimmed(const float** stems) {
  while (!ended_) {
    const std::size_t frames = mixer_->Next(stems);
    decoded_(frames);
    ended_ = frames == 0;
    if (!trimmer_) return frames;
    const std::vector<float>& kept = ended_ ? trimmer_->Finish() : trimmer_->Push(*stems, frames);
    *stems = kept.data();
    if (!kept.empty()) return kept.size() / columns();
  }
  return 0;
}

std::size_t SongStream::Next(const float** stems) {
  while (end_ < 0 || position_ < end_) {
    const std::int64_t frames = static_cast<std::int64_t>(NextTrimmed(stems));
    if (frames == 0) return 0;
    const std::int64_t from = std::max(begin_ - position_, std::int64_t{0});
    const std::int64_t to = end_ < 0 ? frames : std::min(end_ - position_, frames);
    position_ += frames;
    if (from >= to) continue;
    *stems += from * columns();
    return static_cast<std::size_t>(to - from);
  }
  return 0;
}

}  // namespace stemsmith
