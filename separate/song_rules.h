// What a model wants of whole songs: the lengths that it takes, and how its segments are joined.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "separate/named_choice.h"

namespace stemsmith {

// Which input lengths a model takes: offset + k · multiple with k ≥ 0, of at least one frame. A
// graph that is not dynamic takes one of them only.
struct LengthRule {
  bool dynamic = false;
  std::int64_t offset_frames = 0;
  std::int64_t multiple_frames = 1;

  // The shortest length that holds so many frames.
  std::int64_t AtLeast(std::int64_t frames) const {
    if (frames <= offset_frames) return offset_frames;
    const std::int64_t beyond = frames - offset_frames;
    return offset_frames + (beyond + multiple_frames - 1) / multiple_frames * multiple_frames;
  }
  // The length nearest to so many frames; of two as near, the shorter.
  std::int64_t Nearest(std::int64_t frames) const {
    const std::int64_t wanted = std::max<std::int64_t>(frames, 1);
    const std::int64_t above = AtLeast(wanted);
    return HasShorter(above) && wanted - Shorter(above) <= above - wanted ? Shorter(above) : above;
  }
  // The length before one of the rule, and whether there is one.
  std::int64_t Shorter(std::int64_t length) const { return length - multiple_frames; }
  bool HasShorter(std::int64_t length) const {
    return Shorter(length) >= std::max<std::int64_t>(offset_frames, 1);
  }
};

// Weights of a segment's frames where neighbours overlap.
enum class Window {
  kTriangle,  // as Python demucs
  kHann,
  kRectangle,
};

// What fills up the segment at a song's end, where the song leaves less.
enum class Tail {
  kZeros,    // behind it
  kContext,  // as Python demucs: what lies before it, half and half with zeros behind it
};

// What is done to a whole song before it is cut, and undone behind the model.
enum class SongNormalization {
  kNone,
  kMeanStd,  // as Python demucs: by mean and deviation of the mono mix
};

// Mean and deviation of a mono mix, as kMeanStd takes them.
class MonoMoments {
 public:
  void Add(double mono) {
    sum_ += mono;
    squares_ += mono * mono;
    ++count_;
  }
  std::int64_t count() const { return count_; }
  std::pair<float, float> MeanAndDeviation() const {
    const double n = static_cast<double>(count_), mean = sum_ / n;
    const double variance = std::max(0.0, (squares_ - n * mean * mean) / std::max(1.0, n - 1));
    return {static_cast<float>(mean),
            static_cast<float>(std::sqrt(variance) + 1e-8)};  // silence: no 0 / 0
  }

 private:
  double sum_ = 0, squares_ = 0;
  std::int64_t count_ = 0;
};

// Their names, in manifests and checkpoints alone.
inline constexpr NamedChoice<Window> kWindows[] = {
    {Window::kTriangle, "triangle"}, {Window::kHann, "hann"}, {Window::kRectangle, "rectangle"}};
inline constexpr NamedChoice<Tail> kTails[] = {{Tail::kZeros, "zeros"},
                                               {Tail::kContext, "context"}};
inline constexpr NamedChoice<SongNormalization> kSongNormalizations[] = {
    {SongNormalization::kNone, "none"}, {SongNormalization::kMeanStd, "mean_std"}};

constexpr const auto& NamesOf(Window) { return kWindows; }
constexpr const auto& NamesOf(Tail) { return kTails; }
constexpr const auto& NamesOf(SongNormalization) { return kSongNormalizations; }

}  // namespace stemsmith
