#include "train/metrics_log.h"

#include <string>

#include "core/files.h"
#include "core/picture.h"
#include "core/progress.h"

namespace stemsmith {

std::vector<nlohmann::json> MetricsLog::Read(const std::filesystem::path& path) {
  std::vector<nlohmann::json> records;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    nlohmann::json record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (record.is_object() && record.contains("step") && record["step"].is_number_integer())
      records.push_back(std::move(record));
  }
  return records;
}

MetricsLog::MetricsLog(std::filesystem::path path, std::int64_t last_step)
    : path_(std::move(path)) {
  std::string kept;
  if (last_step >= 0) {
    for (const nlohmann::json& record : Read(path_)) {
      if (record["step"].get<std::int64_t>() <= last_step) kept += record.dump() + "\n";
    }
  }
  WriteFileAtomically(path_, kept);
  out_.open(path_, std::ios::app);
}

void MetricsLog::Append(const nlohmann::json& record) {
  out_.clear();
  out_ << record.dump() << '\n' << std::flush;
  if (!out_ && !warned_) {
    warned_ = true;
    Warn("cannot write " + path_.string() + ": is the disk full? Training goes on without it");
  }
}

void WriteLossChart(const std::filesystem::path& svg, const std::vector<nlohmann::json>& records,
                    const std::string& title) {
  ChartSeries train{"training", {}, {}}, validation{"validation", {}, {}};
  for (const nlohmann::json& record : records) {
    if (!record.contains("loss") || !record["loss"].is_number()) continue;
    ChartSeries& series = record.value("event", "") == "validation" ? validation : train;
    series.x.push_back(record["step"].get<double>());
    series.y.push_back(record["loss"].get<double>());
  }
  ChartOptions options;
  options.title = title;
  options.x_label = "step";
  options.y_label = "loss";
  options.log_y = true;
  WriteFileAtomically(svg, LineChartSvg({train, validation}, options));
}

}  // namespace stemsmith
