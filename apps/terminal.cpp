#include "apps/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "apps/output.h"
#include "core/interrupt.h"
#include "core/progress_fields.h"
#include "core/text.h"
#include "core/visible_text.h"

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

// Letters, not bytes: names of songs hold any.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

// The word as a shell takes it.
std::string ShellWord(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char letter : word) letter == '\'' ? quoted += "'\\''" : quoted += letter;
  return quoted + "'";
}

class TerminalView : public ProgressView {
 public:
  TerminalView(const Task& task, OutputMode mode) : task_(task) {
    style_ = mode == OutputMode::kJson    ? Style::kJson
             : mode == OutputMode::kQuiet ? Style::kQuiet
             : isatty(STDERR_FILENO) != 0 ? Style::kBar
                                          : Style::kLines;
  }
  ~TerminalView() override { DrawBar(""); }

  void Update(std::int64_t done, const std::string& detail, const nlohmann::json& fields) override {
    if (first_done_ < 0) first_done_ = done > 0 ? done - 1 : 0;
    if (fields.is_object()) most_seconds_left_ = fields.value(kMostSecondsLeft, INFINITY);
    if (style_ == Style::kQuiet) return;
    // Lines wait for their first interval too: short work prints its result only.
    const double interval_seconds = style_ == Style::kBar ? 0.1 : 5.0;
    if (SecondsSince(last_print_) < interval_seconds) return;
    Print(done, detail, fields);
    last_print_ = Clock::now();
  }

  void Message(const std::string& text) override {
    if (style_ == Style::kQuiet) return;
    if (style_ == Style::kJson) {
      WriteLine({{"event", "message"}, {"task", task_.label}, {"text", text}});
    } else {
      WriteError(text);
    }
  }

  void Finish() override { DrawBar(""); }

 private:
  enum class Style { kBar, kLines, kJson, kQuiet };

  std::string Status(std::int64_t done) const {
    std::string text = VisibleText(task_.label) + " ";
    text += std::to_string(done);
    if (task_.total > 0) text += "/" + std::to_string(task_.total);
    if (!task_.unit.empty()) text += " " + task_.unit;
    if (const double left = SecondsLeft(done); left >= 0)
      text += "  " + FormatDuration(left) + " left";
    return text;
  }

  double SecondsLeft(std::int64_t done) const {
    if (task_.total <= 0 || done <= first_done_ || done >= task_.total) return -1;
    const double left = SecondsSince(start_) / static_cast<double>(done - first_done_) *
                        static_cast<double>(task_.total - done);
    return std::min(left, most_seconds_left_);
  }

  std::string Bar(std::int64_t done, const std::string& detail) const {
    const double share =
        task_.total > 0 ? static_cast<double>(done) / static_cast<double>(task_.total) : -1.0;
    return BarLine(share, Status(done), detail, static_cast<std::size_t>(TerminalColumns() - 1));
  }

  nlohmann::json Line(std::int64_t done, const nlohmann::json& fields) const {
    nlohmann::json line = {{"event", "progress"},
                           {"task", task_.label},
                           {"done", done},
                           {"unit", task_.unit},
                           {"seconds", SecondsSince(start_)}};
    if (task_.total > 0) line["total"] = task_.total;
    if (const double left = SecondsLeft(done); left >= 0) line["seconds_left"] = left;
    if (fields.is_object()) line.update(fields);
    return line;
  }

  void Print(std::int64_t done, const std::string& detail, const nlohmann::json& fields) const {
    if (style_ == Style::kBar) DrawBar(Bar(done, detail));
    if (style_ == Style::kLines) WriteError(Status(done) + (detail.empty() ? "" : "  " + detail));
    if (style_ == Style::kJson) WriteLine(Line(done, fields));
  }

  const Task task_;
  Style style_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_print_ = start_;
  double most_seconds_left_ = INFINITY;
  std::int64_t first_done_ = -1;  // of the first update: a resumed run starts in the middle
};

}  // namespace

Host TerminalHost(OutputMode mode) {
  return {
      .warn = Warn,
      .error = [](const std::string& text) { WriteError("error: " + text); },
      .stop = InterruptSignal,
      .progress = [mode](const Task& task) { return std::make_unique<TerminalView>(task, mode); }};
}

void PrintResult(OutputMode mode, const std::string& text, const nlohmann::json& fields) {
  if (mode == OutputMode::kQuiet) return;
  if (mode == OutputMode::kJson) {
    PrintEvent(mode, "result", fields);
  } else if (!text.empty()) {
    WriteOutput(text.back() == '\n' ? text : text + '\n');
  }
}

void PrintEvent(OutputMode mode, const std::string& event, const nlohmann::json& fields) {
  if (mode != OutputMode::kJson) return;
  nlohmann::json line = {{"event", event}};
  if (fields.is_object()) line.update(fields);
  WriteLine(line);
}

void PrintNext(OutputMode mode, const std::vector<std::string>& words) {
  if (mode != OutputMode::kAuto) return;
  WriteOutput("next: " + JoinNames(words, " ", ShellWord) + '\n');
}

std::string BarLine(double share, const std::string& status, const std::string& detail,
                    std::size_t columns) {
  const auto bar = [share](int width) -> std::string {
    if (share < 0) return "";
    const double shown = std::clamp(share, 0.0, 1.0);
    const std::string percent = Formatted("%3.0f%% ", 100 * shown);
    if (width == 0) return percent;
    const int filled = static_cast<int>(std::lround(shown * width));
    return percent + "[" + std::string(static_cast<std::size_t>(filled), '=') +
           std::string(static_cast<std::size_t>(width - filled), ' ') + "] ";
  };
  // The first two parts of the detail, and all of them.
  std::string parts = detail;
  const std::size_t comma = detail.find(", ");
  const std::size_t second = comma == std::string::npos ? comma : detail.find(", ", comma + 2);
  const std::string important = detail.substr(0, second);
  const auto line = [&](const std::string& head) {
    return head + status + (parts.empty() ? "" : "  " + parts);
  };
  while (Width(line(bar(16))) > columns && parts.size() > important.size())
    parts.resize(parts.rfind(", "));
  for (const int width : {16, 8, 4, 0})
    if (std::string text = line(bar(width)); Width(text) <= columns) return text;
  std::string text = line("");
  while (Width(text) > columns) text.pop_back();
  return text;
}

void Warn(const std::string& text) { WriteError("warning: " + text); }

}  // namespace stemsmith
