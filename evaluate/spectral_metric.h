// What metrics on magnitude spectra share: frames of a stream.
#pragma once

#include <vector>

#include "audio/stft.h"
#include "evaluate/song_metric.h"

namespace stemsmith {

enum class MetricEdge { kZeros, kReflect };  // what lies before the song and behind it

// Frames as of torch.stft with center=true: frame n around sample n · hop; the song's last as well.
class SpectralMetric : public SongMetric {
 public:
  struct Options {
    int n_fft = 2048, hop = 1024;
    MetricEdge edge = MetricEdge::kReflect;
    StftWindow window = StftWindow::kHann;
  };
  SpectralMetric(int channels, const Options& options);
  void Add(const float* const* reference, const float* const* estimate, std::size_t frames) final;
  void EndPass() final;

 protected:
  // Magnitudes [F] of one frame of one channel.
  virtual void AddFrame(const std::vector<float>& reference,
                        const std::vector<float>& estimate) = 0;
  virtual void EndSpectralPass() {}

 private:
  void TakeFrames();
  void Pad(bool at_end);

  const int channels_;
  const Options options_;
  WindowMagnitudes spectrum_;
  // [2·C], references and estimates with what lies before and behind them. The first sample kept is
  // `dropped_`, the next frame begins at `next_`, both counted from the start of that.
  std::vector<std::vector<float>> signals_;
  std::size_t dropped_ = 0, next_ = 0;
  bool begun_ = false;
  std::vector<float> reference_, estimate_;
};

}  // namespace stemsmith
