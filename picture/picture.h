// Pictures: spectrograms as PNG. For people to look at what a run or a separation did.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audio/audio.h"

namespace stemsmith {

struct SpectrogramRow {
  std::string title;
  AudioBuffer audio;  // its channels are averaged
  std::string stem;   // its colour stands before the title; empty: none
};
// Spectrograms one above another, log frequency, 80 dB below the loudest point of all rows, each
// under its title (printable ASCII). Throws Error where the file cannot be written.
void WriteSpectrogramPng(const std::filesystem::path& path, const std::vector<SpectrogramRow>& rows,
                         int sample_rate_hz);

struct StripOptions {
  int sample_rate_hz = 44100;
  int width = 480, height = 128;  // pixels of the spectrogram
  bool axes = false;              // around it: a few frequencies and seconds
};
struct PictureSize {
  int width = 0, height = 0;  // pixels
};
PictureSize StripSize(const StripOptions& options);
// The same without titles: the bytes of a PNG of StripSize per signal, all with the same colours
// and scale, each as long as the longest. Fast enough for every few steps of a training.
std::vector<std::string> SpectrogramStrips(const std::vector<const AudioBuffer*>& signals,
                                           const StripOptions& options);

// One of them of a signal that comes block by block: memory does not grow with its length.
class SpectrogramStrip {
 public:
  SpectrogramStrip(std::int64_t frames, const StripOptions& options);
  ~SpectrogramStrip();
  SpectrogramStrip(SpectrogramStrip&&) noexcept;

  // The next frames, interleaved [T, C]; the channels are averaged.
  void Add(const float* interleaved, int channels, std::size_t frames);
  // After the last: the bytes of the PNG.
  std::string Finish();

 private:
  friend std::vector<std::string> SpectrogramStrips(const std::vector<const AudioBuffer*>& signals,
                                                    const StripOptions& options);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
