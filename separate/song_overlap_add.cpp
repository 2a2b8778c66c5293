#include "separate/song_overlap_add.h"

#include <algorithm>

namespace stemsmith {
namespace {

std::int64_t ChooseSegment(const Manifest& manifest, std::int64_t frames) {
  const LengthRule& rule = manifest.length;
  const std::int64_t longest = manifest.segment_frames;
  if (!rule.dynamic || frames < 0 || frames >= longest) return longest;
  if (manifest.tail == "context") return longest;  // the tail finds its length by itself
  // Very short ones would leave a deep network or its STFT nothing to look at.
  const std::int64_t wanted = std::max(frames, longest / 4);
  const std::int64_t steps = std::max<std::int64_t>(
      1, (wanted - rule.offset_frames + rule.multiple_frames - 1) / rule.multiple_frames);
  const std::int64_t fitting = rule.offset_frames + steps * rule.multiple_frames;
  return std::min(fitting, longest);
}

// The shortest length of the graph that holds so many frames.
std::size_t TailFrames(const LengthRule& rule, std::size_t frames) {
  const std::int64_t beyond = static_cast<std::int64_t>(frames) - rule.offset_frames;
  const std::int64_t steps =
      beyond <= 0 ? 0 : (beyond + rule.multiple_frames - 1) / rule.multiple_frames;
  return static_cast<std::size_t>(std::max<std::int64_t>(
      rule.offset_frames + steps * rule.multiple_frames, rule.multiple_frames));
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
      return TailFrames(rule, left);
    };
  }
  return options;
}

}  // namespace stemsmith
