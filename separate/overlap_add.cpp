#include "separate/overlap_add.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace stemsmith {
namespace {

// The first `count` weights of a window: in (0, 1], symmetric, nowhere zero, so that every frame is
// covered by something.
std::vector<float> WindowWeights(Window window, std::size_t length, std::size_t count) {
  std::vector<float> weights(count, 1.0f);
  const double middle = static_cast<double>((length + 1) / 2);
  for (std::size_t i = 0; i < count; ++i) {
    if (window == Window::kTriangle) {
      weights[i] = static_cast<float>(static_cast<double>(std::min(i + 1, length - i)) / middle);
    } else if (window == Window::kHann) {
      const double sine =
          std::sin(std::numbers::pi * (static_cast<double>(i) + 0.5) / static_cast<double>(length));
      weights[i] = static_cast<float>(sine * sine);
    }
  }
  return weights;
}

void CheckOptions(const OverlapAddOptions& options) {
  if (!(options.overlap >= 0.0 && options.overlap < 1.0)) {
    throw Error::Usage("the overlap must be at least 0 and less than 1", "", "0.25 is usual");
  }
  if (options.segment_frames == 0 || options.channels_in < 1 || options.channels_out < 1 ||
      options.batch < 1) {
    throw Error::Usage("overlap-add needs a segment, channels and a batch", "");
  }
}

// Of a call for so many frames.
std::size_t RunFrames(const OverlapAddOptions& options, std::size_t frames) {
  return std::max(frames, options.run_frames ? options.run_frames(frames) : options.segment_frames);
}

}  // namespace

OverlapAdd::OverlapAdd(const OverlapAddOptions& options, SegmentFunction segment, Sink sink)
    : options_(options), segment_(std::move(segment)), sink_(std::move(sink)) {
  CheckOptions(options_);
  const std::size_t length = options_.segment_frames;
  const auto shared =
      static_cast<std::size_t>(std::llround(options_.overlap * static_cast<double>(length)));
  stride_ = std::max<std::size_t>(1, length - std::min(shared, length));
  run_ = length;
  if (options_.tail == Tail::kContext) {
    stride_ = std::max<std::size_t>(
        1, static_cast<std::size_t>((1.0 - options_.overlap) * static_cast<double>(length)));
    run_ = RunFrames(options_, length);
  }
  left_ = (run_ - length) / 2;
  most_input_ = run_ - left_ + (options_.batch - 1) * stride_;
}

// Grows as the song turns out to be longer: many songs are shorter than a segment of minutes.
void OverlapAdd::HoldInput(std::size_t frames) {
  constexpr std::size_t kFirstFrames = std::size_t{1} << 16;
  if (frames <= input_.frames()) return;
  const std::size_t wanted = std::max({frames, kFirstFrames, 2 * input_.frames()});
  AudioBuffer larger(options_.channels_in, std::min(wanted, most_input_));
  for (int c = 0; c < options_.channels_in && filled_ > 0; ++c)
    std::copy_n(input_.channel(c), filled_, larger.channel(c));
  input_ = std::move(larger);
}

void OverlapAdd::Push(const AudioBuffer& in) {
  assert(!finished_ && in.channels() == options_.channels_in);
  std::size_t taken = 0;
  while (taken < in.frames()) {
    HoldInput(std::min(filled_ + in.frames() - taken, most_input_));
    const std::size_t count = std::min(input_.frames() - filled_, in.frames() - taken);
    for (int c = 0; c < options_.channels_in; ++c) {
      std::copy_n(in.channel(c) + taken, count, input_.channel(c) + filled_);
    }
    filled_ += count;
    fresh_ += count;
    taken += count;
    if (filled_ == most_input_) ProcessWhole(options_.batch);
  }
}

void OverlapAdd::Finish() {
  if (finished_) return;
  finished_ = true;
  const std::size_t length = options_.segment_frames;
  // Those that waited for others.
  while (filled_ >= length)
    ProcessWhole(std::min(options_.batch, 1 + (filled_ - length) / stride_));
  if (options_.tail == Tail::kContext) {
    FinishWithContext();
    return;
  }
  // What a segment has covered already needs no further one: only its weights are still to be
  // divided out.
  if (fresh_ > 0) {
    HoldInput(most_input_);
    for (int c = 0; c < options_.channels_in; ++c) {
      std::fill(input_.channel(c) + filled_, input_.channel(c) + length, 0.0f);
    }
    RunSegments(1, filled_);
    AddResult(output_, 0, 0, filled_);
  }
  Emit(filled_);
}

// Here segments go on starting until the end, also where the one before covered it.
void OverlapAdd::FinishWithContext() {
  while (filled_ > 0) {
    ProcessTail();
    Emit(std::min(stride_, filled_));
    if (filled_ <= stride_) break;
    AdvanceOutput();
    AdvanceInput(1);
  }
}

void OverlapAdd::ProcessTail() {
  const std::size_t length = RunFrames(options_, filled_);
  const std::size_t left = (length - filled_) / 2;
  AudioBuffer in(options_.channels_in, length), out(options_.channels_out, length);
  for (int c = 0; c < options_.channels_in; ++c)
    CopyInput(c, -static_cast<std::ptrdiff_t>(left), length, in.channel(c));
  current_ = begin_ - static_cast<std::int64_t>(left);
  segment_(in, filled_, out);
  AddResult(out, 0, left, filled_);
}

// So many whole segments, a stride apart from each other from the input's beginning on.
void OverlapAdd::ProcessWhole(std::size_t count) {
  const std::size_t length = options_.segment_frames;
  RunSegments(count, length);
  for (std::size_t k = 0; k < count; ++k) {
    AddResult(output_, k, left_, length);
    Emit(stride_);
    AdvanceOutput();
  }
  fresh_ = filled_ - (count - 1) * stride_ - length;
  AdvanceInput(count);
}

// Of the last segment `valid` frames are wanted.
void OverlapAdd::RunSegments(std::size_t count, std::size_t valid) {
  const auto resize = [&](AudioBuffer& buffer, int channels) {
    const int wanted = static_cast<int>(count) * channels;
    if (buffer.channels() != wanted) buffer = AudioBuffer(wanted, run_);
  };
  resize(output_, options_.channels_out);
  current_ = begin_ - static_cast<std::int64_t>(left_);
  if (options_.batch == 1 && run_ == options_.segment_frames) {
    segment_(input_, valid, output_);
  } else {
    resize(segments_, options_.channels_in);
    for (int c = 0; c < segments_.channels(); ++c) {
      const auto begin =
          static_cast<std::ptrdiff_t>(static_cast<std::size_t>(c / options_.channels_in) * stride_);
      CopyInput(c % options_.channels_in, begin - static_cast<std::ptrdiff_t>(left_), run_,
                segments_.channel(c));
    }
    segment_(segments_, valid, output_);
  }
  assert(output_.frames() == run_);
}

// Of the song from frame `from` of input_ on; zeros before its start and behind what was pushed.
void OverlapAdd::CopyInput(int channel, std::ptrdiff_t from, std::size_t frames, float* to) const {
  const auto end = from + static_cast<std::ptrdiff_t>(frames);
  const auto copy = [&](const float* source, std::ptrdiff_t first, std::ptrdiff_t last) {
    const std::ptrdiff_t begin = std::clamp(from, first, last), stop = std::clamp(end, first, last);
    if (begin < stop) std::copy(source + begin, source + stop, to + (begin - from));
  };
  std::fill_n(to, frames, 0.0f);
  if (known_ > 0)
    copy(history_.channel(channel) + history_.frames(), -static_cast<std::ptrdiff_t>(known_), 0);
  copy(input_.channel(channel), 0, static_cast<std::ptrdiff_t>(filled_));
}

// Adds `frames` frames of the result number `k` in `out`, from frame `from` on.
void OverlapAdd::AddResult(const AudioBuffer& out, std::size_t k, std::size_t from,
                           std::size_t frames) {
  if (sum_.frames() == 0) {  // no later result is longer
    weights_ = WindowWeights(options_.window, options_.segment_frames, frames);
    sum_ = AudioBuffer(options_.channels_out, frames);
    weight_sum_.assign(frames, 0.0f);
  }
  for (int c = 0; c < options_.channels_out; ++c) {
    const float* result = out.channel(static_cast<int>(k) * options_.channels_out + c) + from;
    float* to = sum_.channel(c);
    for (std::size_t t = 0; t < frames; ++t) to[t] += weights_[t] * result[t];
  }
  for (std::size_t t = 0; t < frames; ++t) weight_sum_[t] += weights_[t];
}

// The first `frames` frames are complete: no later segment reaches them.
void OverlapAdd::Emit(std::size_t frames) {
  constexpr std::size_t kBlockFrames = std::size_t{1} << 16;
  for (std::size_t begin = 0; begin < frames; begin += kBlockFrames) {
    const std::size_t count = std::min(kBlockFrames, frames - begin);
    if (done_.frames() != count) done_ = AudioBuffer(options_.channels_out, count);
    for (int c = 0; c < options_.channels_out; ++c) {
      const float* from = sum_.channel(c) + begin;
      float* to = done_.channel(c);
      for (std::size_t t = 0; t < count; ++t) to[t] = from[t] / weight_sum_[begin + t];
    }
    sink_(done_);
  }
}

// One stride to the left.
void OverlapAdd::AdvanceOutput() {
  const auto shift = [&](float* samples) {
    std::copy(samples + stride_, samples + weights_.size(), samples);
    std::fill(samples + weights_.size() - stride_, samples + weights_.size(), 0.0f);
  };
  for (int c = 0; c < options_.channels_out; ++c) shift(sum_.channel(c));
  shift(weight_sum_.data());
}

// So many strides to the left.
void OverlapAdd::AdvanceInput(std::size_t strides) {
  const std::size_t gone = strides * stride_;
  begin_ += static_cast<std::int64_t>(gone);
  if (options_.tail == Tail::kContext) {
    if (history_.frames() == 0) history_ = AudioBuffer(options_.channels_in, run_);
    const std::size_t length = history_.frames(), kept = length - std::min(gone, length);
    for (int c = 0; c < options_.channels_in; ++c) {
      float* history = history_.channel(c);
      std::copy(history + length - kept, history + length, history);
      std::copy_n(input_.channel(c) + gone - (length - kept), length - kept, history + kept);
    }
    known_ = std::min(length, known_ + gone);
  }
  for (int c = 0; c < options_.channels_in; ++c) {
    float* samples = input_.channel(c);
    std::copy(samples + gone, samples + filled_, samples);
  }
  filled_ -= gone;
}

}  // namespace stemsmith
