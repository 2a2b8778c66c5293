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
// An SVG line chart with axes, ticks and a legend; series that hold no finite point are left out.
std::string LineChartSvg(const std::vector<ChartSeries>& series, const ChartOptions& options);

struct SpectrogramRow {
  std::string title;
  AudioBuffer audio;  // its channels are averaged
};
// Spectrograms one above another, log frequency, 80 dB range, each under its title.
void WriteSpectrogramPng(const std::filesystem::path& path, const std::vector<SpectrogramRow>& rows,
                         int sample_rate_hz);

}  // namespace stemsmith
