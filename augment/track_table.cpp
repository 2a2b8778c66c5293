#include <algorithm>
#include <cassert>
#include <utility>

#include "augment/augment.h"

namespace stemsmith {

TrackTable::TrackTable(std::vector<std::int64_t> frames, int sample_rate_hz,
                       std::vector<std::string> stems)
    : frames_(std::move(frames)), sample_rate_hz_(sample_rate_hz), stems_(std::move(stems)) {
  ends_.reserve(frames_.size());
  std::int64_t end = 0;
  for (const std::int64_t length : frames_) ends_.push_back(end += length);
}

std::int64_t TrackTable::longest_frames() const {
  return frames_.empty() ? 0 : *std::max_element(frames_.begin(), frames_.end());
}

std::int64_t TrackTable::FirstStart(std::size_t track, std::int64_t segment_frames) const {
  return std::min<std::int64_t>(0, frames_[track] - segment_frames);
}

std::int64_t TrackTable::LastStart(std::size_t track, std::int64_t segment_frames) const {
  return std::max<std::int64_t>(0, frames_[track] - segment_frames);
}

ReadPlan::Piece TrackTable::At(std::int64_t point, std::int64_t segment_frames) const {
  assert(point >= 0 && point < total_frames());
  // The first track that ends behind the point; tracks of length 0 are never it.
  const auto end = std::upper_bound(ends_.begin(), ends_.end(), point);
  const auto track = static_cast<std::size_t>(end - ends_.begin());
  const std::int64_t first = FirstStart(track, segment_frames);
  const std::int64_t starts = LastStart(track, segment_frames) - first + 1;
  const std::int64_t offset = point - (*end - frames_[track]);
  // Stretches the track's length over the starts. 128 bits: hours of audio squared pass 63.
  const auto start =
      static_cast<std::int64_t>(static_cast<__int128>(offset) * starts / frames_[track]);
  return {.track = track, .start_frame = first + start};
}

ReadPlan::Piece TrackTable::Draw(std::int64_t segment_frames, RandomStream& random) const {
  return At(static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(total_frames()))),
            segment_frames);
}

}  // namespace stemsmith
