// Figures of one stem of a song as a whole: a file each, and a row each in evaluate/registry.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace stemsmith {

// One stem of one song; one thread.
class SongMetric {
 public:
  virtual ~SongMetric() = default;
  // How often the whole song is to be given.
  virtual int passes() const { return 1; }
  // The next frames of a pass, planar: reference[c] and estimate[c] of each channel.
  virtual void Add(const float* const* reference, const float* const* estimate,
                   std::size_t frames) = 0;
  virtual void EndPass() {}
  // After all passes: NaN where the figure is not defined, such as for silence.
  virtual double Value() const = 0;
};

struct SongMetricRow {
  const char* name;
  const char* unit;  // "dB", or "" for points of 100
  bool higher_is_better;
  const char* summary;  // with source
  std::unique_ptr<SongMetric> (*make)(int sample_rate_hz, int channels);
};
const std::vector<SongMetricRow>& SongMetricTable();
// The rows that a user asks for: `names`, or all where "all" is among them. Throws Error (nearest
// name) at `where`.
std::vector<std::string> ChosenSongMetrics(const std::vector<std::string>& names,
                                           const std::string& where);

std::unique_ptr<SongMetric> MakeSnr(int sample_rate_hz, int channels);
std::unique_ptr<SongMetric> MakeNsdr(int sample_rate_hz, int channels);
std::unique_ptr<SongMetric> MakeMsstSdr(int sample_rate_hz, int channels);
std::unique_ptr<SongMetric> MakeSiSdr(int sample_rate_hz, int channels);
std::unique_ptr<SongMetric> MakeLogSpectralDistance(int sample_rate_hz, int channels);
std::unique_ptr<SongMetric> MakeLogSpectralL1(int sample_rate_hz, int channels);
std::unique_ptr<SongMetric> MakeL1Freq(int sample_rate_hz, int channels);
std::unique_ptr<SongMetric> MakeBleedless(int sample_rate_hz, int channels);
std::unique_ptr<SongMetric> MakeFullness(int sample_rate_hz, int channels);

}  // namespace stemsmith
