// report.html: a run in one file that needs no network. Curves, figures, excerpts to hear and to
// see, the configuration.
#pragma once

#include <filesystem>

namespace stemsmith {

// Whether the report was built in (STEMSMITH_REPORT, which needs uPlot).
bool HasReport();

// Writes RUN/report.html from metrics.jsonl, config.yaml and listen/ of a run, finished or not.
// Throws Error where there is no run, the file cannot be written, or the report was left out of
// this build.
std::filesystem::path WriteReport(const std::filesystem::path& run);

}  // namespace stemsmith
