// Pictures: spectrograms as PNG and line charts as SVG. For people to look at what a run or a
// separation did.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/audio.h"

namespace stemsmith {

struct ChartSeries {
  std::string name;
  std::vector<double> x, y;
};
struct ChartOptions {
  std::string title, x_label, y_label;
  bool log_y = false;
};
// An SVG line chart with axes, ticks and a legend; series that hold no finite point are left out, and a point that
// is not finite (nor positive, where y is logarithmic) interrupts the line. Above 400 points a series is drawn
// pale, with its moving mean on top.
std::string LineChartSvg(const std::vector<ChartSeries>& series, const ChartOptions& options);

struct SpectrogramRow {
  std::string title;
  AudioBuffer audio;  // its channels are averaged
};
// Spectrograms one above another, log frequency, 80 dB below the loudest point of all rows, each under its title
// (printable ASCII). Throws Error where the file cannot be written.
void WriteSpectrogramPng(const std::filesystem::path& path, const std::vector<SpectrogramRow>& rows,
                         int sample_rate_hz);

}  // namespace stemsmith
