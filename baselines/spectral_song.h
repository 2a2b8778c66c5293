// Songs that are separated frame by frame of their STFT, as a stream.
#pragma once

#include <complex>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "audio/stft.h"
#include "core/config.h"
#include "separate/song_separator.h"

namespace stemsmith {

// The settings n_fft and hop; throws Error where they make no STFT (a hop of half a window at most,
// so that windows overlap).
StftOptions ReadStftOptions(const Config& settings, const StftOptions& standard = {});

// The STFT of all channels, frame after frame, as librosa.stft gives it (a periodic Hann window
// around frame n · hop, with silence before and after the song): frames 0 … T / hop. One thread at
// a time.
class SpectrumReader {
 public:
  // `audio` must outlive this.
  SpectrumReader(AudioReader& audio, const StftOptions& options);

  std::size_t bins() const { return bins_; }
  // The next frame: [C, F]. False after the last.
  bool Next(std::span<std::complex<float>> spectra);
  std::int64_t samples_read() const { return read_; }  // per channel; T once it is at the end

 private:
  void Fill(std::size_t begin);

  AudioReader& audio_;
  std::size_t channels_, n_fft_, hop_, bins_;
  FrameTransform transform_;
  std::vector<float> window_;  // [C, n_fft]: what the next frame looks at
  std::vector<float> block_;   // interleaved
  std::int64_t frame_ = 0, read_ = 0;
  bool ended_ = false;
};

// What a method does with each frame.
class FrameSeparator {
 public:
  virtual ~FrameSeparator() = default;
  // Frame n of the mixture [C, F] → of the stems [S, C, F]. Called for n = 0, 1, … in order.
  virtual void Separate(std::size_t n, std::span<const std::complex<float>> mixture,
                        std::span<std::complex<float>> stems) = 0;
};

class SpectralSong : public SongSeparator {
 public:
  SpectralSong(std::unique_ptr<AudioReader> song, std::vector<std::string> stems,
               const StftOptions& options, std::unique_ptr<FrameSeparator> separator);

  const AudioInfo& info() const override { return song_->info(); }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<Damage> damage() const override { return song_->damage(); }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override;

 private:
  void AddFrame();
  void Give(std::size_t begin, std::size_t end);

  std::unique_ptr<AudioReader> song_;
  std::vector<std::string> stems_;
  std::unique_ptr<FrameSeparator> separator_;
  SpectrumReader spectra_;
  FrameTransform transform_;
  std::size_t channels_, n_fft_, hop_;
  std::vector<std::complex<float>> mixture_, frame_;  // [C, F], [S, C, F]
  // Overlapping windows from sample `position_` of the song on: their sum and that of their
  // squares.
  std::vector<float> sum_, envelope_, block_;  // [S, C, n_fft], [n_fft], [n_fft]
  std::int64_t position_;
  std::size_t count_ = 0;  // frames so far
  bool ended_ = false;
  std::vector<std::vector<float>> ready_;  // interleaved, per stem
};

}  // namespace stemsmith
