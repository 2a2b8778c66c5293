// Computes figures of separation for comparisons with other implementations. Standard input holds a
// job per line, a JSON object: `file` (float32, planar: the channels of all references, then of all
// estimates), `sources`, `channels`, `frames`, and the fields of BssEvalOptions that differ from
// version 4. Each is answered with a line: {sdr, isr, sir, sar: [S][W], order, iterations,
// last_gain, dependent_channels, seconds}, NaN as null and infinity as 1e999; with `metrics`, names
// of SongMetricTable(), and `sample_rate_hz` instead {METRIC: [S]}; or {error}.
#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "evaluate/bss_eval/bss_eval.h"
#include "evaluate/songs/evaluation.h"

namespace stemsmith {
namespace {

using nlohmann::json;

class RawPair : public StemPair {
 public:
  explicit RawPair(const json& job)
      : sources_(job["sources"]),
        channels_(job["channels"]),
        frames_(job["frames"]),
        file_(job["file"].get<std::string>(), std::ios::binary) {}
  int sources() const override { return sources_; }
  int channels() const override { return channels_; }
  std::size_t frames() const override { return frames_; }
  void Read(std::size_t begin, std::size_t end, float* out) override {
    const int rows = 2 * sources_ * channels_;
    for (int row = 0; row < rows; ++row) {
      file_.seekg(
          static_cast<std::streamoff>((static_cast<std::size_t>(row) * frames_ + begin) * 4));
      file_.read(reinterpret_cast<char*>(out + static_cast<std::size_t>(row) * (end - begin)),
                 static_cast<std::streamsize>((end - begin) * 4));
    }
  }

 private:
  int sources_, channels_;
  std::size_t frames_;
  std::ifstream file_;
};

std::string Numbers(const std::vector<std::vector<double>>& rows) {
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (const double value : row) {
      char number[40];
      std::snprintf(number, sizeof number, "%.17g", value);
      line += (line.empty() ? "" : ",");
      line += std::isnan(value) ? "null" : std::isinf(value) ? "1e999" : number;
    }
    text += (text.empty() ? "[" : ",[") + line + "]";
  }
  return "[" + text + "]";
}

std::string Numbers(const std::vector<double>& row) {
  const std::string rows = Numbers(std::vector<std::vector<double>>{row});
  return rows.substr(1, rows.size() - 2);
}

std::string RunMetrics(RawPair& song, const json& job) {
  EvaluationOptions options;
  options.song_metrics = job["metrics"].get<std::vector<std::string>>();
  const std::vector<std::string> stems(static_cast<std::size_t>(song.sources()), "stem");
  std::string text;
  for (const auto& [metric, figures] :
       EvaluateSong(song, job["sample_rate_hz"], "song", stems, options).figures)
    text += (text.empty() ? "\"" : ",\"") + metric + "\":" + Numbers(figures);
  return "{" + text + "}";
}

std::string Run(const json& job) {
  RawPair song(job);
  if (job.contains("metrics")) return RunMetrics(song, job);
  BssEvalOptions options;
  options.window = job.value("window", options.window);
  options.hop = job.value("hop", options.hop);
  options.filter_length = job.value("filter_length", options.filter_length);
  options.filters_per_window = job.value("filters_per_window", false);
  options.sources = job.value("sources_version", false);
  options.permute = job.value("permute", false);
  const auto started = std::chrono::steady_clock::now();
  const BssEvalResult result = BssEval(song, options);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  const json figures = {{"order", result.order},
                        {"begins", result.begins},
                        {"iterations", result.iterations},
                        {"last_gain", result.last_gain},
                        {"dependent_channels", result.dependent_channels},
                        {"seconds", seconds.count()}};
  std::string text = figures.dump();
  text.pop_back();
  return text + ",\"sdr\":" + Numbers(result.sdr) + ",\"isr\":" + Numbers(result.isr) +
         ",\"sir\":" + Numbers(result.sir) + ",\"sar\":" + Numbers(result.sar) + "}";
}

}  // namespace
}  // namespace stemsmith

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    try {
      std::cout << stemsmith::Run(nlohmann::json::parse(line)) << std::endl;
    } catch (const std::exception& error) {
      std::cout << nlohmann::json{{"error", error.what()}} << std::endl;
    }
  }
  return 0;
}
