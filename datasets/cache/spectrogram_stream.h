// Audio of a song, block by block, into the rows of its spectrogram. One thread at a time; memory
// is bound by a window per channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "audio/stft.h"
#include "datasets/cache/spectrogram_format.h"

namespace stemsmith {

class SpectrogramStream {
 public:
  // Takes a row: magnitudes [S + 1, C, F], those of the mixture last.
  using RowSink = std::function<void(const float* row)>;
  SpectrogramStream(const SpectrogramFormat& format, int stems, int channels, RowSink sink);

  // Frames of audio, interleaved [T, S · C]; the mixture is their sum over S.
  void Write(const float* interleaved, std::size_t frames);
  // The rest of the rows, into which silence follows.
  void Finish();

 private:
  void TakeFrame(const float* frame);  // [S · C]; null is silence
  void MakeRow();

  const SpectrogramFormat format_;
  const int stems_, channels_;
  const RowSink sink_;
  WindowMagnitudes magnitudes_;
  std::vector<float> windows_;  // [(S + 1) · C, n_fft]: the samples of the row to come
  std::int64_t filled_ = 0;     // of each
  std::int64_t frames_ = 0;     // of audio so far
  std::int64_t rows_ = 0;       // made so far
  std::vector<float> row_;
};

}  // namespace stemsmith
