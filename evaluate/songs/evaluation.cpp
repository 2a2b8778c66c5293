#include "evaluate/songs/evaluation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/names.h"
#include "core/text.h"
#include "evaluate/metrics.h"
#include "evaluate/song_metric.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlockFrames = 32768;

std::size_t Frames(double seconds, int sample_rate_hz) {
  return static_cast<std::size_t>(seconds * sample_rate_hz);
}

// The largest sample of each reference, then of each estimate.
std::vector<float> RunSongMetrics(StemPair& song,
                                  std::vector<std::vector<std::unique_ptr<SongMetric>>>& metrics) {
  const auto sources = static_cast<std::size_t>(song.sources());
  const auto channels = static_cast<std::size_t>(song.channels());
  int passes = 1;
  for (const auto& row : metrics)
    for (const auto& metric : row) passes = std::max(passes, metric->passes());
  std::vector<float> samples, peaks(2 * sources, 0.0f);
  std::vector<const float*> reference(channels), estimate(channels);
  for (int pass = 0; pass < passes; ++pass) {
    for (std::size_t begin = 0; begin < song.frames(); begin += kBlockFrames) {
      const std::size_t count = std::min(kBlockFrames, song.frames() - begin);
      samples.resize(2 * sources * channels * count);
      song.Read(begin, begin + count, samples.data());
      for (std::size_t s = 0; s < 2 * sources && pass == 0; ++s) {
        const float* of = samples.data() + s * channels * count;
        for (std::size_t i = 0; i < channels * count; ++i)
          peaks[s] = std::max(peaks[s], std::abs(of[i]));
      }
      for (std::size_t s = 0; s < sources; ++s) {
        for (std::size_t c = 0; c < channels; ++c) {
          reference[c] = samples.data() + (s * channels + c) * count;
          estimate[c] = samples.data() + ((sources + s) * channels + c) * count;
        }
        for (const auto& row : metrics)
          if (pass < row[s]->passes()) row[s]->Add(reference.data(), estimate.data(), count);
      }
    }
    for (const auto& row : metrics)
      for (const auto& metric : row)
        if (pass < metric->passes()) metric->EndPass();
  }
  return peaks;
}

double FiniteMedian(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  return Median(std::move(values));
}

std::string Decimals(double value) {
  return std::isfinite(value) ? Formatted("%.5f", value) : "NaN";
}

}  // namespace

SongEvaluation EvaluateSong(StemPair& song, int sample_rate_hz, const std::string& name,
                            const std::vector<std::string>& stems,
                            const EvaluationOptions& options) {
  SongEvaluation result;
  result.song = name;
  result.stems = stems;
  result.seconds = static_cast<double>(song.frames()) / sample_rate_hz;

  std::vector<std::vector<std::unique_ptr<SongMetric>>> metrics;
  for (const std::string& metric : options.song_metrics) {
    const SongMetricRow& row = FindRow(SongMetricTable(), metric, "metric", "");
    auto& of_stems = metrics.emplace_back();
    for (std::size_t s = 0; s < stems.size(); ++s)
      of_stems.push_back(row.make(sample_rate_hz, song.channels()));
  }
  const std::vector<float> peaks = RunSongMetrics(song, metrics);
  for (std::size_t m = 0; m < metrics.size(); ++m)
    for (const auto& metric : metrics[m])
      result.figures[options.song_metrics[m]].push_back(metric->Value());
  for (std::size_t s = 0; s < peaks.size(); ++s) {
    if (peaks[s] > 0) continue;
    result.notes.push_back("the " + std::string(s < stems.size() ? "reference" : "estimate") +
                           " of " + stems[s % stems.size()] +
                           " is silent: BSS eval has no figures");
  }

  BssEvalOptions bss;
  bss.window = Frames(options.window_seconds, sample_rate_hz);
  bss.hop = std::max<std::size_t>(1, Frames(options.hop_seconds, sample_rate_hz));
  bss.filters_per_window = options.filters_per_window;
  result.bss = BssEval(song, bss);
  result.window_seconds = options.window_seconds > 0 ? options.window_seconds : result.seconds;
  result.hop_seconds = options.hop_seconds > 0 ? options.hop_seconds : result.seconds;
  for (const auto& [metric, windows] : kWindowFigures)
    for (const std::vector<double>& of_stem : result.bss.*windows)
      result.figures[metric].push_back(FiniteMedian(of_stem));
  return result;
}

std::string MusevalJson(const SongEvaluation& song) {
  std::string text = "{\n  \"targets\": [";
  for (std::size_t s = 0; s < song.stems.size(); ++s) {
    text += std::string(s == 0 ? "" : ",") +
            "\n    {\n      \"name\": " + nlohmann::json(song.stems[s]).dump() +
            ",\n      \"frames\": [";
    for (std::size_t w = 0; w < song.bss.begins.size(); ++w) {
      text += Formatted(
          "%s\n        {\n          \"time\": %s,\n          \"duration\": %s,\n"
          "          \"metrics\": {\n            \"SDR\": %s,\n            \"SIR\": %s,\n"
          "            \"SAR\": %s,\n            \"ISR\": %s\n          }\n        }",
          w == 0 ? "" : ",",
          nlohmann::json(static_cast<double>(w) * song.hop_seconds).dump().c_str(),
          nlohmann::json(song.window_seconds).dump().c_str(), Decimals(song.bss.sdr[s][w]).c_str(),
          Decimals(song.bss.sir[s][w]).c_str(), Decimals(song.bss.sar[s][w]).c_str(),
          Decimals(song.bss.isr[s][w]).c_str());
    }
    text += "\n      ]\n    }";
  }
  return text + "\n  ],\n  \"museval_version\": \"0.4.1\"\n}\n";
}

}  // namespace stemsmith
