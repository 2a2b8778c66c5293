// What frames of a song sound like, in figures that a random forest looks at. Of one channel they
// are those of librosa 0.11 (feature.mfcc without its limit of 80 dB below the loudest frame of the
// song, spectral_centroid, spectral_bandwidth, spectral_rolloff, zero_crossing_rate) but for
// rounding; of several, those of their mean power, and the mean rate of crossings.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "audio/audio.h"
#include "audio/stft.h"
#include "core/host.h"

namespace stemsmith {

constexpr std::size_t kMfcc = 20;
// Behind the MFCC: centroid, bandwidth and roll-off (85 %) in Hz, crossings per sample.
constexpr std::size_t kFrameFeatures = kMfcc + 4;

// One thread at a time.
class FrameFeatures {
 public:
  FrameFeatures(int sample_rate_hz, int n_fft);
  // The mean power of all channels [F] and the rate of zero crossings → [kFrameFeatures].
  void operator()(std::span<const float> power, float crossings, float* features);

 private:
  struct Triangle {
    std::size_t first_bin;
    std::vector<float> weights;
  };
  double bin_hz_;
  std::vector<Triangle> mel_;   // 128, of Slaney's scale and area
  std::vector<float> cosines_;  // [kMfcc, 128], orthonormal
  std::vector<float> mel_db_;   // of the frame
};

// The mean over the channels of each frame's crossings per sample: [N], N = 1 + T / hop. Outside of
// the song nothing crosses.
std::vector<float> ZeroCrossingRates(const AudioBuffer& audio, const StftOptions& options);

// BandEdges of frequencies, each about as wide as its place is high, and one bin at least.
class BandEdges {
 public:
  BandEdges(int sample_rate_hz, int n_fft, std::size_t count);
  std::size_t count() const { return edges_.size() - 1; }
  std::size_t begin(std::size_t band) const { return edges_[band]; }  // its first bin
  std::size_t end(std::size_t band) const { return edges_[band + 1]; }
  double CentreHz(std::size_t band) const;

 private:
  double bin_hz_;
  std::vector<std::size_t> edges_;
};

// All that is known of a song's frames.
struct FrameTable {
  std::size_t frames = 0, bands = 0;
  std::vector<float> features;  // [N, kFrameFeatures]
  std::vector<float> levels;    // [N, bands]: mean power in dB, at least -100
};

FrameTable DescribeFrames(const AudioBuffer& audio, int sample_rate_hz, const StftOptions& options,
                          const BandEdges& bands, const Host& host);

// What the forest is asked about band `band` of frame `n`: the frame's features, the band's number,
// its level and those of its neighbours relative to the frame's mean, and its level before and
// after relative to that now.
constexpr int kOtherFrames[] = {-8, -4, -2, -1, 1, 2, 4, 8};
constexpr int kOtherBands[] = {-4, -2, -1, 1, 2, 4};
constexpr std::size_t kRowFeatures =
    kFrameFeatures + 2 + std::size(kOtherFrames) + std::size(kOtherBands);
void DescribeBand(const FrameTable& table, std::size_t n, std::size_t band, float* row);

}  // namespace stemsmith
