// The parts of report.html, embedded at build time (train/CMakeLists.txt); empty where the report
// is left out of the build. Private to train/report/.
#pragma once

namespace stemsmith::page {

extern const char kHtml[], kCss[], kJs[];
extern const char kChartJs[], kChartCss[], kChartLicense[];  // uPlot

}  // namespace stemsmith::page
