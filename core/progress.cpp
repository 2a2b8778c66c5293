#include "core/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "core/program.h"
#include "core/text.h"

namespace stemsmith {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void WriteLine(const nlohmann::json& line) {
  WriteOutput(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + '\n');
}

int TerminalColumns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

struct Progress::Impl {
  enum class Style { kBar, kLines, kJson, kQuiet };

  ProgressOptions options;
  Style style = Style::kLines;
  Clock::time_point start = Clock::now();
  Clock::time_point last_print{};
  bool printed = false, finished = false;
  std::int64_t first_done = -1;  // of the first update: a resumed run starts in the middle

  std::string Status(std::int64_t done, const std::string& detail) const {
    std::string text = options.label + " ";
    text += std::to_string(done);
    if (options.total > 0) text += "/" + std::to_string(options.total);
    if (!options.unit.empty()) text += " " + options.unit;
    // Before what a narrow terminal cuts off.
    if (const double left = SecondsLeft(done); left >= 0)
      text += "  " + FormatDuration(left) + " left";
    if (!detail.empty()) text += "  " + detail;
    return text;
  }

  double SecondsLeft(std::int64_t done) const {
    if (options.total <= 0 || done <= first_done || done >= options.total) return -1;
    return SecondsSince(start) / static_cast<double>(done - first_done) *
           static_cast<double>(options.total - done);
  }

  void Print(std::int64_t done, const std::string& detail, const nlohmann::json& fields) {
    switch (style) {
      case Style::kBar: {
        std::string line;
        if (options.total > 0) {
          constexpr int kWidth = 16;
          const double share =
              std::clamp(static_cast<double>(done) / static_cast<double>(options.total), 0.0, 1.0);
          const int filled = static_cast<int>(std::lround(share * kWidth));
          line = Formatted("%3.0f%% [", 100 * share) + std::string(filled, '=') +
                 std::string(kWidth - filled, ' ') + "] ";
        }
        line += Status(done, detail);
        const std::size_t columns = static_cast<std::size_t>(TerminalColumns() - 1);
        if (line.size() > columns) line.resize(columns);
        std::cerr << "\r\033[K" << line << std::flush;
        break;
      }
      case Style::kLines:
        std::cerr << Status(done, detail) << '\n';
        break;
      case Style::kJson: {
        nlohmann::json line = {{"event", "progress"},
                               {"task", options.label},
                               {"done", done},
                               {"unit", options.unit},
                               {"seconds", SecondsSince(start)}};
        if (options.total > 0) line["total"] = options.total;
        if (const double left = SecondsLeft(done); left >= 0) line["seconds_left"] = left;
        if (fields.is_object()) line.update(fields);
        WriteLine(line);
        break;
      }
      case Style::kQuiet:
        break;
    }
    last_print = Clock::now();
    printed = true;
  }
};

Progress::Progress(ProgressOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  switch (impl_->options.mode) {
    case OutputMode::kJson:
      impl_->style = Impl::Style::kJson;
      break;
    case OutputMode::kQuiet:
      impl_->style = Impl::Style::kQuiet;
      break;
    case OutputMode::kAuto:
      impl_->style = isatty(STDERR_FILENO) ? Impl::Style::kBar : Impl::Style::kLines;
      break;
  }
}

Progress::~Progress() {
  // Left by an exception: do not write the message that follows into the bar.
  if (!impl_->finished && impl_->style == Impl::Style::kBar && impl_->printed) std::cerr << '\n';
}

void Progress::Update(std::int64_t done, const std::string& detail, const nlohmann::json& fields) {
  if (impl_->first_done < 0) impl_->first_done = done > 0 ? done - 1 : 0;
  const double interval =
      impl_->style == Impl::Style::kBar ? 0.1 : impl_->options.line_interval_seconds;
  if (impl_->style == Impl::Style::kQuiet) return;
  // Lines wait for their first interval too: short work prints its result only.
  const auto since = impl_->printed ? impl_->last_print : impl_->start;
  if (SecondsSince(since) < interval) return;
  impl_->Print(done, detail, fields);
}

void Progress::Message(const std::string& text) {
  if (impl_->style == Impl::Style::kQuiet) return;
  if (impl_->style == Impl::Style::kJson) {
    const nlohmann::json line = {
        {"event", "message"}, {"task", impl_->options.label}, {"text", text}};
    WriteLine(line);
    return;
  }
  if (impl_->style == Impl::Style::kBar && impl_->printed) std::cerr << "\r\033[K";
  std::cerr << text << '\n';
}

void Progress::Finish(const std::string& detail) {
  impl_->finished = true;
  if (impl_->style == Impl::Style::kBar && impl_->printed) std::cerr << "\r\033[K";
  if (detail.empty() || impl_->style == Impl::Style::kQuiet || impl_->style == Impl::Style::kJson)
    return;
  std::cerr << impl_->options.label << ' ' << detail << '\n';
}

void PrintResult(OutputMode mode, const std::string& text, const nlohmann::json& fields) {
  if (mode == OutputMode::kQuiet) return;
  if (mode == OutputMode::kJson) {
    nlohmann::json line = {{"event", "result"}};
    if (fields.is_object()) line.update(fields);
    WriteLine(line);
  } else if (!text.empty()) {
    WriteOutput(text.back() == '\n' ? text : text + '\n');
  }
}

void Warn(const std::string& text) { std::cerr << "warning: " << text << '\n'; }

std::string FormatDuration(double seconds) {
  const long total = std::lround(std::max(0.0, seconds));
  if (total < 3600) return Formatted("%ld:%02ld", total / 60, total % 60);
  return Formatted("%ld:%02ld:%02ld", total / 3600, total / 60 % 60, total % 60);
}

std::string FormatBytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  while (bytes >= 1024 && unit < 4) bytes /= 1024, ++unit;
  return Formatted(unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
}

}  // namespace stemsmith
