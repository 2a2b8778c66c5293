#include "datasets/cache/spectrogram_stream.h"

#include <algorithm>
#include <utility>

namespace stemsmith {

SpectrogramStream::SpectrogramStream(const SpectrogramFormat& format, int stems, int channels,
                                     RowSink sink)
    : format_(format),
      stems_(stems),
      channels_(channels),
      sink_(std::move(sink)),
      magnitudes_(format.n_fft),
      windows_(static_cast<std::size_t>(stems + 1) * channels * format.n_fft),
      // Of the first row all but its last samples lie before the song.
      filled_(format.half() + format.lead_rows() * format.hop),
      row_(static_cast<std::size_t>(stems + 1) * channels * format.bins()) {}

void SpectrogramStream::TakeFrame(const float* frame) {
  float* out = windows_.data() + filled_;
  const int columns = stems_ * channels_;
  for (int c = 0; c < columns; ++c)
    out[std::ptrdiff_t{c} * format_.n_fft] = frame ? frame[c] : 0.0f;
  for (int c = 0; c < channels_; ++c) {
    float sum = 0;
    if (frame != nullptr) {
      // In the order in which the loader sums the stems, so that the samples are the same.
      sum = frame[c];
      for (int s = 1; s < stems_; ++s) sum += frame[s * channels_ + c];
    }
    out[std::ptrdiff_t{columns + c} * format_.n_fft] = sum;
  }
  if (++filled_ == format_.n_fft) MakeRow();
}

void SpectrogramStream::MakeRow() {
  const int columns = (stems_ + 1) * channels_;
  for (int c = 0; c < columns; ++c) {
    float* window = windows_.data() + std::ptrdiff_t{c} * format_.n_fft;
    magnitudes_(window, row_.data() + std::ptrdiff_t{c} * format_.bins());
    std::copy(window + format_.hop, window + format_.n_fft, window);
  }
  filled_ -= format_.hop;
  ++rows_;
  sink_(row_.data());
}

void SpectrogramStream::Write(const float* interleaved, std::size_t frames) {
  const std::size_t columns = static_cast<std::size_t>(stems_) * channels_;
  for (std::size_t t = 0; t < frames; ++t) TakeFrame(interleaved + t * columns);
  frames_ += static_cast<std::int64_t>(frames);
}

void SpectrogramStream::Finish() {
  while (rows_ < format_.rows(frames_)) TakeFrame(nullptr);
}

}  // namespace stemsmith
