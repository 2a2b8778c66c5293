// The parts of the page, embedded at build time (CMakeLists.txt); empty where reports are left out
// of the build. Private to evaluate/report/.
#pragma once

namespace stemsmith::evaluation_page {

extern const char kHtml[], kCss[], kCommonJs[], kChartsJs[], kTableJs[], kPlayersJs[];
extern const char kChartJs[], kChartLicense[];  // Plotly

}  // namespace stemsmith::evaluation_page
