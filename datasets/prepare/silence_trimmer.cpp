#include "datasets/prepare/silence_trimmer.h"

#include <algorithm>
#include <cmath>

#include "core/decibel.h"

namespace stemsmith {

SilenceTrimmer::SilenceTrimmer(const SilenceTrimmerOptions& options)
    : options_(options),
      columns_(static_cast<std::size_t>(options.stems) * options.channels),
      threshold_(static_cast<float>(GainFromDb(options.threshold_db))) {}

bool SilenceTrimmer::Sounds(const float* frame) const {
  bool sounds = false;
  for (int channel = 0; channel < options_.channels; ++channel) {
    float sum = 0;
    for (std::size_t c = channel; c < columns_; c += options_.channels) {
      sounds |= std::abs(frame[c]) >= threshold_;
      sum += frame[c];
    }
    sounds |= std::abs(sum) >= threshold_;
  }
  return sounds;
}

void SilenceTrimmer::HoldSilent(const float* frame) {
  ++silence_;
  std::vector<float>& to = started_ && silence_ <= options_.guard_frames ? given_ : held_;
  to.insert(to.end(), frame, frame + columns_);
  // Of a silence that is cut, only what may be the guard of the next sound; dropped now and then,
  // as dropping moves the rest.
  const std::size_t guard = static_cast<std::size_t>(options_.guard_frames) * columns_;
  constexpr std::size_t kSpare = 1 << 16;
  if (cuts() && held_.size() > guard + kSpare)
    held_.erase(held_.begin(), held_.end() - static_cast<std::ptrdiff_t>(guard));
}

void SilenceTrimmer::EndSilence() {
  std::size_t kept = held_.size();
  if (cuts()) kept = std::min(kept, static_cast<std::size_t>(options_.guard_frames) * columns_);
  given_.insert(given_.end(), held_.end() - static_cast<std::ptrdiff_t>(kept), held_.end());
  held_.clear();
  silence_ = 0;
}

const std::vector<float>& SilenceTrimmer::Push(const float* interleaved, std::size_t frames) {
  given_.clear();
  for (std::size_t t = 0; t < frames; ++t) {
    const float* frame = interleaved + t * columns_;
    if (!Sounds(frame)) {
      HoldSilent(frame);
      continue;
    }
    if (silence_ > 0) EndSilence();
    started_ = true;
    given_.insert(given_.end(), frame, frame + columns_);
  }
  return given_;
}

const std::vector<float>& SilenceTrimmer::Finish() {
  given_.clear();
  if (!cuts()) EndSilence();
  held_.clear();
  silence_ = 0;
  return given_;
}

}  // namespace stemsmith
