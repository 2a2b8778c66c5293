#include "separate/song_overlap_add.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace {

// A segment that is asked for, of the rule's lengths: the advised one where there is none. Seconds
// are rounded to such a length.
std::int64_t LongestSegment(const Manifest& manifest, const LengthRule& rule, std::int64_t advised,
                            const OverlapChoice& choice) {
  std::int64_t wanted = choice.segment_frames;
  if (choice.segment_seconds > 0) {
    wanted = std::llround(choice.segment_seconds * manifest.sample_rate_hz);
    if (rule.dynamic && wanted >= rule.offset_frames) wanted = rule.Nearest(wanted);
  }
  if (wanted <= 0) return advised;
  const bool fits = rule.dynamic ? rule.AtLeast(wanted) == wanted : advised == wanted;
  if (fits) return wanted;
  const std::int64_t shortest = rule.dynamic ? rule.offset_frames : advised;
  throw Error::Usage("the model takes no segments of " + std::to_string(wanted) + " frames",
                     Option("segment"),
                     "'" + manifest.model_name + "' takes " +
                         SecondsText(shortest, manifest.sample_rate_hz) + " (" +
                         std::to_string(shortest) + " frames)" +
                         (rule.dynamic ? " and more" : " alone"));
}

std::int64_t ShorterForSong(const Manifest& manifest, std::int64_t longest, std::int64_t frames) {
  const LengthRule& rule = manifest.length;
  if (!rule.dynamic || frames < 0 || frames >= longest) return longest;
  // Very short ones would leave a deep network or its STFT nothing to look at.
  const std::int64_t wanted = std::max(frames, longest / 4);
  return std::min(rule.AtLeast(wanted), longest);
}

// N of 1 - 1 / N.
int NumOverlap(double overlap) {
  const double count = std::round(1 / (1 - overlap));
  if (std::abs(1 - 1 / count - overlap) > 1e-3)
    throw Error::Usage("msst has no overlap of " + Formatted("%g", overlap), Option("overlap"),
                       "its num_overlap N is 1 - 1 / N: 0.5 for 2, 0.75 for 4");
  return static_cast<int>(count);
}

}  // namespace

const std::vector<OverlapStyle>& OverlapStyleTable() {
  static const std::vector<OverlapStyle> table = {
      {"stemsmith", "the model's window and overlap, and silence behind the song", Tail::kZeros, {},
       -1},
      {"demucs", "as Python demucs: triangle, 0.25, and the last segment reaches back",
       Tail::kContext, Window::kTriangle, 0.25},
      {"msst", "as Music-Source-Separation-Training: 0.5, mirrored ends, short fades", Tail::kZeros,
       Window::kRectangle, 0.5, true},
  };
  return table;
}

OverlapAddOptions SongOverlapAdd(const Manifest& manifest, std::int64_t frames,
                                 const OverlapChoice& choice) {
  OverlapAddOptions options;
  options.overlap = manifest.overlap;
  options.window = manifest.window;
  options.tail = manifest.tail;
  bool is_msst = false;
  if (!choice.style.empty()) {
    const OverlapStyle& style =
        FindRow(OverlapStyleTable(), choice.style, "style of overlap", Option("overlap-style"));
    options.tail = style.tail;
    options.window = style.window.value_or(options.window);
    if (style.overlap >= 0) options.overlap = style.overlap;
    is_msst = style.is_msst;
  }
  if (!choice.window.empty()) {
    options.window =
        FindRow(std::to_array(kWindows), choice.window, "window", Option("window")).value;
    if (is_msst)
      throw Error::Usage("msst has a window of its own", Option("window"),
                         "leave it out, or choose another " + Option("overlap-style"));
  }
  if (choice.overlap >= 0) options.overlap = choice.overlap;
  if (!(options.overlap < 1))
    throw Error::Usage("an overlap of " + std::to_string(options.overlap), Option("overlap"),
                       "give a share of the segment from 0 to below 1");
  if (is_msst) options.num_overlap = NumOverlap(options.overlap);

  // Those that are filled up with the audio around them may have any length.
  constexpr LengthRule kAny{.dynamic = true, .offset_frames = 1};
  const bool is_filled = manifest.kept_frames > 0 && !is_msst && options.tail == Tail::kContext;
  std::int64_t segment =
      is_filled ? LongestSegment(manifest, kAny, manifest.kept_frames, choice)
                : LongestSegment(manifest, manifest.length, manifest.segment_frames, choice);
  // With kContext the tail finds its length by itself.
  if (choice.segment_frames == 0 && !is_msst && options.tail != Tail::kContext)
    segment = ShorterForSong(manifest, segment, frames);
  options.segment_frames = static_cast<std::size_t>(segment);
  options.channels_in = manifest.channels;
  options.channels_out = static_cast<int>(manifest.stems.size()) * manifest.channels;
  if (manifest.length.dynamic) {
    options.run_frames = [rule = manifest.length](std::size_t left) {
      return static_cast<std::size_t>(rule.AtLeast(static_cast<std::int64_t>(left)));
    };
  }
  return options;
}

}  // namespace stemsmith
