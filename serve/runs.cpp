#include "serve/runs.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "core/utc_text.h"
#include "serve/access.h"
#include "serve/http/percent.h"
#include "serve/programs.h"

namespace stemsmith {

namespace fs = std::filesystem;

namespace {

constexpr char kReport[] = "report.html";

struct Run {
  std::string name;
  const char* kind;
  fs::path folder;
  fs::path records;  // what a report is made of
  fs::file_time_type changed;
};

std::optional<Run> RunIn(const fs::path& folder) {
  std::error_code code;
  for (const auto& [kind, records] :
       {std::pair("training", "metrics.jsonl"), std::pair("comparison", "results.json")}) {
    const auto changed = fs::last_write_time(folder / records, code);
    if (!code) return Run{folder.filename().string(), kind, folder, folder / records, changed};
  }
  return std::nullopt;
}

// The newest first.
std::vector<Run> RunsIn(const fs::path& folder) {
  std::vector<Run> runs;
  std::error_code code;
  if (folder.empty()) return runs;
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code))
    if (auto run = RunIn(it->path())) runs.push_back(std::move(*run));
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) {
    return a.changed != b.changed ? a.changed > b.changed : a.name < b.name;
  });
  return runs;
}

std::time_t ClockTime(fs::file_time_type time) {
  return std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(
          std::chrono::file_clock::to_sys(time)));
}

}  // namespace

Runs::Runs(fs::path folder, const Programs& programs)
    : folder_(std::move(folder)), programs_(programs) {
  if (!folder_.empty() && !fs::is_directory(folder_))
    throw Error::Usage("this is no folder of runs", folder_.string(),
                       "give the folder that holds the folders of `stemsmith train` and `compare`");
}

nlohmann::json Runs::List() const {
  nlohmann::json runs = nlohmann::json::array();
  for (const Run& run : RunsIn(folder_))
    runs.push_back({{"name", run.name},
                    {"kind", run.kind},
                    {"page", "/runs/" + PercentEncoded(run.name)},
                    {"changed_at", UtcText("%Y-%m-%dT%H:%M:%SZ", ClockTime(run.changed))}});
  return {{"runs", runs}};
}

HttpResponse Runs::Page(const std::string& name) const {
  for (const Run& run : RunsIn(folder_)) {
    if (run.name != name) continue;
    const fs::path report = run.folder / kReport;
    std::error_code code;
    const auto written = fs::last_write_time(report, code);
    if (std::string(run.kind) == "training" && (code || written < run.changed)) {
      try {
        programs_.WriteReport(run.folder);
      } catch (const Error& error) {
        if (!fs::exists(report)) throw HttpError(409, error.problem() + ".");
      }
    }
    if (!fs::exists(report, code))
      throw HttpError(404, "This run has no report yet.");
    HttpResponse response{.content_type = "text/html; charset=utf-8"};
    response.file = report;
    response.etag = HexHash(HashBytes(
        name + std::to_string(fs::last_write_time(report).time_since_epoch().count())));
    response.headers = {{"Content-Security-Policy", ReportPolicy()}, {"Cache-Control", "no-cache"}};
    return response;
  }
  throw HttpError(404, "There is no run '" + name + "'.");
}

}  // namespace stemsmith
