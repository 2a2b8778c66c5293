#include "separate/overlap_add.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/names.h"

namespace stemsmith {
namespace {

// Weights in (0, 1], symmetric, nowhere zero: every frame is covered by something.
std::vector<float> WindowWeights(const std::string& window, std::size_t length) {
  std::vector<float> weights(length, 1.0f);
  const double middle = static_cast<double>((length + 1) / 2);
  for (std::size_t i = 0; i < length; ++i) {
    if (window == "triangle") {
      weights[i] = static_cast<float>(static_cast<double>(std::min(i + 1, length - i)) / middle);
    } else if (window == "hann") {
      const double sine =
          std::sin(std::numbers::pi * (static_cast<double>(i) + 0.5) / static_cast<double>(length));
      weights[i] = static_cast<float>(sine * sine);
    }
  }
  return weights;
}

void CheckOptions(const OverlapAddOptions& options) {
  RequireName(options.window, std::array{"triangle", "hann", "rectangle"},
              "unknown window '" + options.window + "'", "");
  RequireName(options.tail, std::array{"zeros", "context"}, "unknown tail '" + options.tail + "'",
              "");
  if (!(options.overlap >= 0.0 && options.overlap < 1.0)) {
    throw Error::Usage("the overlap must be at least 0 and less than 1", "", "0.25 is usual");
  }
  if (options.segment_frames == 0 || options.channels_in < 1 || options.channels_out < 1) {
    throw Error::Usage("overlap-add needs a segment and channels", "");
  }
}

}  // namespace

OverlapAdd::OverlapAdd(const OverlapAddOptions& options, SegmentFunction segment, Sink sink)
    : options_(options), segment_(std::move(segment)), sink_(std::move(sink)) {
  CheckOptions(options_);
  const std::size_t length = options_.segment_frames;
  const auto shared =
      static_cast<std::size_t>(std::llround(options_.overlap * static_cast<double>(length)));
  stride_ = std::max<std::size_t>(1, length - std::min(shared, length));
  if (options_.tail == "context") {
    stride_ = std::max<std::size_t>(
        1, static_cast<std::size_t>((1.0 - options_.overlap) * static_cast<double>(length)));
    history_ = AudioBuffer(options_.channels_in, length);
  }
  weights_ = WindowWeights(options_.window, length);
  input_ = AudioBuffer(options_.channels_in, length);
  output_ = AudioBuffer(options_.channels_out, length);
  sum_ = AudioBuffer(options_.channels_out, length);
  weight_sum_.assign(length, 0.0f);
}

void OverlapAdd::Push(const AudioBuffer& in) {
  assert(!finished_ && in.channels() == options_.channels_in);
  const std::size_t length = options_.segment_frames;
  std::size_t taken = 0;
  while (taken < in.frames()) {
    const std::size_t count = std::min(length - filled_, in.frames() - taken);
    for (int c = 0; c < options_.channels_in; ++c) {
      std::copy_n(in.channel(c) + taken, count, input_.channel(c) + filled_);
    }
    filled_ += count;
    fresh_ += count;
    taken += count;
    if (filled_ == length) {
      ProcessSegment(length);
      Emit(stride_);
      Advance();
    }
  }
}

void OverlapAdd::Finish() {
  if (finished_) return;
  finished_ = true;
  if (options_.tail == "context") {
    FinishWithContext();
    return;
  }
  // What a segment has covered already needs no further one: only its weights are still to be
  // divided out.
  if (fresh_ > 0) {
    for (int c = 0; c < options_.channels_in; ++c) {
      std::fill(input_.channel(c) + filled_, input_.channel(c) + options_.segment_frames, 0.0f);
    }
    ProcessSegment(filled_);
  }
  Emit(filled_);
}

// Here segments go on starting until the end, also where the one before covered it.
void OverlapAdd::FinishWithContext() {
  while (filled_ > 0) {
    ProcessTail();
    Emit(std::min(stride_, filled_));
    if (filled_ <= stride_) break;
    Advance();
  }
}

void OverlapAdd::ProcessTail() {
  const std::size_t wanted =
      options_.tail_frames ? options_.tail_frames(filled_) : options_.segment_frames;
  const std::size_t length = std::max(wanted, filled_);
  const std::size_t left = (length - filled_) / 2;
  const std::size_t context = std::min(left, known_);
  AudioBuffer in(options_.channels_in, length), out(options_.channels_out, length);
  for (int c = 0; c < options_.channels_in; ++c) {
    const float* past = history_.channel(c) + history_.frames() - context;
    std::copy_n(past, context, in.channel(c) + left - context);
    std::copy_n(input_.channel(c), filled_, in.channel(c) + left);
  }
  segment_(in, filled_, out);
  for (int c = 0; c < options_.channels_out; ++c) {
    const float* from = out.channel(c) + left;
    float* to = sum_.channel(c);
    for (std::size_t t = 0; t < filled_; ++t) to[t] += weights_[t] * from[t];
  }
  for (std::size_t t = 0; t < filled_; ++t) weight_sum_[t] += weights_[t];
}

void OverlapAdd::ProcessSegment(std::size_t valid) {
  segment_(input_, valid, output_);
  assert(output_.channels() == options_.channels_out && output_.frames() == weights_.size());
  for (int c = 0; c < options_.channels_out; ++c) {
    const float* from = output_.channel(c);
    float* to = sum_.channel(c);
    for (std::size_t t = 0; t < valid; ++t) to[t] += weights_[t] * from[t];
  }
  for (std::size_t t = 0; t < valid; ++t) weight_sum_[t] += weights_[t];
  fresh_ = 0;
}

// The first `frames` frames are complete: no later segment reaches them.
void OverlapAdd::Emit(std::size_t frames) {
  if (frames == 0) return;
  if (done_.frames() != frames) done_ = AudioBuffer(options_.channels_out, frames);
  for (int c = 0; c < options_.channels_out; ++c) {
    const float* from = sum_.channel(c);
    float* to = done_.channel(c);
    for (std::size_t t = 0; t < frames; ++t) to[t] = from[t] / weight_sum_[t];
  }
  sink_(done_);
}

// Moves everything one stride to the left.
void OverlapAdd::Advance() {
  const std::size_t length = options_.segment_frames;
  const auto shift = [&](float* samples, bool clear) {
    std::copy(samples + stride_, samples + length, samples);
    if (clear) std::fill(samples + length - stride_, samples + length, 0.0f);
  };
  if (history_.frames() > 0) {
    for (int c = 0; c < options_.channels_in; ++c) {
      float* history = history_.channel(c);
      std::copy(history + stride_, history + length, history);
      std::copy_n(input_.channel(c), stride_, history + length - stride_);
    }
    known_ = std::min(length, known_ + stride_);
  }
  for (int c = 0; c < options_.channels_in; ++c) shift(input_.channel(c), false);
  for (int c = 0; c < options_.channels_out; ++c) shift(sum_.channel(c), true);
  shift(weight_sum_.data(), true);
  filled_ -= stride_;
}

}  // namespace stemsmith
