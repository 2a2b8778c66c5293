// The report of measured methods: one page that needs no network, with tables, charts, and
// excerpts to hear and to see.
#pragma once

#include <filesystem>

#include "evaluate/report/content.h"

namespace stemsmith {

// Whether reports were built in (STEMSMITH_REPORT, which needs Plotly).
bool HasEvaluationReport();
// Throws Error where they were not; for the time before long work.
void RequireEvaluationReport(const std::filesystem::path& file);

// Writes the page. The same figures and files give the same bytes, but for the time of writing and
// speeds. Throws Error where files cannot be read or written, or where reports were left out of
// this build.
void WriteEvaluationReport(const std::filesystem::path& file, const EvaluationReport& report);

}  // namespace stemsmith
