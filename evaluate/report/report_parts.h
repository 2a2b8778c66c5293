// Parts of the page. Private to evaluate/report/.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluate/report/content.h"

namespace stemsmith {

// A figure that methods are compared by.
struct ReportedMetric {
  std::string name, unit, summary;
  bool higher_is_better = true, has_windows = false;
};
// BSS eval first, then options.song_metrics.
std::vector<ReportedMetric> ReportedMetrics(const EvaluationOptions& options);

// What the scripts draw; page/common.js says what it holds.
nlohmann::json ReportData(const EvaluationReport& report);
// An <article> for each song to hear. Sounds are encoded in files in `folder`, which are removed.
std::string ExcerptsHtml(const EvaluationReport& report, const std::filesystem::path& folder);

}  // namespace stemsmith
