#include "separate/song_overlap_add.h"

#include <algorithm>

namespace stemsmith {
namespace {

std::int64_t ChooseSegment(const Manifest& manifest, std::int64_t frames) {
  const LengthRule& rule = manifest.length;
  const std::int64_t longest = manifest.segment_frames;
  if (!rule.dynamic || frames < 0 || frames >= longest) return longest;
  if (manifest.tail == Tail::kContext) return longest;  // the tail finds its length by itself
  // Very short ones would leave a deep network or its STFT nothing to look at.
  const std::int64_t wanted = std::max(frames, longest / 4);
  return std::min(rule.AtLeast(wanted), longest);
}

}  // namespace

OverlapAddOptions SongOverlapAdd(const Manifest& manifest, std::int64_t frames) {
  OverlapAddOptions options;
  options.segment_frames = static_cast<std::size_t>(ChooseSegment(manifest, frames));
  options.overlap = manifest.overlap;
  options.window = manifest.window;
  options.channels_in = manifest.channels;
  options.channels_out = static_cast<int>(manifest.stems.size()) * manifest.channels;
  options.tail = manifest.tail;
  if (manifest.length.dynamic) {
    options.tail_frames = [rule = manifest.length](std::size_t left) {
      return static_cast<std::size_t>(rule.AtLeast(static_cast<std::int64_t>(left)));
    };
  }
  return options;
}

}  // namespace stemsmith
