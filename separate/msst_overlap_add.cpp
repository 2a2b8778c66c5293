#include "separate/msst_overlap_add.h"

#include <algorithm>

#include "core/error.h"

namespace stemsmith {

MsstOverlapAdd::MsstOverlapAdd(const OverlapAddOptions& options, SegmentFunction segment, Sink sink)
    : options_(options),
      segment_(std::move(segment)),
      sink_(std::move(sink)),
      length_(options.segment_frames),
      stride_(length_ / static_cast<std::size_t>(std::max(1, options.num_overlap))),
      border_(length_ - stride_),
      fade_(length_ / 10),
      input_(static_cast<std::size_t>(options.channels_in)),
      sum_(options.channels_out, length_),
      weight_sum_(length_, 0.0f) {
  if (stride_ == 0) throw Error::Usage("more overlap than the segment has frames", "");
}

void MsstOverlapAdd::Push(const AudioBuffer& in) {
  for (std::size_t c = 0; c < input_.size(); ++c) {
    const float* samples = in.channel(static_cast<int>(c));
    input_[c].insert(input_[c].end(), samples, samples + in.frames());
  }
  pushed_ += in.frames();
  if (!begun_ && (border_ == 0 || filled() > 2 * border_)) Begin(border_ > 0);
  // What more comes behind is not the last segment.
  while (begun_ && filled() > length_ + (options_.batch - 1) * stride_) Run(options_.batch);
}

void MsstOverlapAdd::Begin(bool bordered) {
  begun_ = true;
  bordered_ = bordered;
  if (!bordered) return;
  skip_ = border_;
  begin_ = -static_cast<std::int64_t>(border_);
  for (auto& samples : input_) {
    std::vector<float> before(border_);
    std::reverse_copy(samples.begin() + 1, samples.begin() + 1 - begin_, before.begin());
    samples.insert(samples.begin(), before.begin(), before.end());
  }
}

void MsstOverlapAdd::Finish() {
  if (!begun_) Begin(false);
  if (bordered_) {
    for (auto& samples : input_)
      for (std::size_t i = 0, end = samples.size(); i < border_; ++i)
        samples.push_back(samples[end - 2 - i]);
  }
  while (filled() > 0) Run(1);
}

// The next segments, and what is complete by them. All but a single one are whole.
void MsstOverlapAdd::Run(std::size_t count) {
  AudioBuffer in(static_cast<int>(count) * options_.channels_in, length_);
  AudioBuffer out(static_cast<int>(count) * options_.channels_out, length_);
  const std::size_t frames = std::min(filled(), length_);
  for (int c = 0; c < in.channels(); ++c) {
    const std::size_t k = static_cast<std::size_t>(c / options_.channels_in);
    const auto& samples = input_[static_cast<std::size_t>(c % options_.channels_in)];
    float* to = in.channel(c);
    std::copy_n(samples.begin() + static_cast<std::ptrdiff_t>(k * stride_), frames, to);
    if (frames > length_ / 2)
      for (std::size_t t = frames; t < length_; ++t) to[t] = to[2 * (frames - 1) - t];
  }
  segment_(in, frames, out);
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t left = filled();
    Add(out, k, frames, left <= stride_);
    Emit(std::min(stride_, left));
    for (auto& samples : input_)
      samples.erase(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(
                                                           std::min(stride_, left)));
    begin_ += static_cast<std::int64_t>(stride_);
    is_first_ = false;
  }
}

void MsstOverlapAdd::Add(const AudioBuffer& out, std::size_t k, std::size_t frames, bool is_last) {
  std::vector<float> weights(length_, 1.0f);
  for (std::size_t i = 0; i < fade_; ++i) {
    const float weight = fade_ == 1 ? 0.0f : static_cast<float>(i) / static_cast<float>(fade_ - 1);
    if (!is_first_) weights[i] = weight;
    // A song of one segment has its fade-out.
    if (is_first_ || !is_last) weights[length_ - 1 - i] = weight;
  }
  for (int c = 0; c < options_.channels_out; ++c) {
    const float* result = out.channel(static_cast<int>(k) * options_.channels_out + c);
    float* to = sum_.channel(c);
    for (std::size_t t = 0; t < frames; ++t) to[t] += weights[t] * result[t];
  }
  for (std::size_t t = 0; t < frames; ++t) weight_sum_[t] += weights[t];
}

// The first `frames` frames, but for those before the song and behind it.
void MsstOverlapAdd::Emit(std::size_t frames) {
  const std::size_t begin = std::min(skip_, frames);
  const std::size_t count = std::min(frames - begin, pushed_ - given_);
  skip_ -= begin;
  given_ += count;
  AudioBuffer done(options_.channels_out, count);
  for (int c = 0; c < options_.channels_out; ++c) {
    float* from = sum_.channel(c);
    for (std::size_t t = 0; t < count; ++t) {
      const float weight = weight_sum_[begin + t];
      done.channel(c)[t] = weight == 0 ? 0.0f : from[begin + t] / weight;
    }
    std::copy(from + frames, from + length_, from);
    std::fill(from + length_ - frames, from + length_, 0.0f);
  }
  std::copy(weight_sum_.begin() + static_cast<std::ptrdiff_t>(frames), weight_sum_.end(),
            weight_sum_.begin());
  std::fill(weight_sum_.end() - static_cast<std::ptrdiff_t>(frames), weight_sum_.end(), 0.0f);
  if (count > 0) sink_(done);
}

}  // namespace stemsmith
