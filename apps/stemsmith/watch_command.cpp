// stemsmith watch: how a training run stands or went, from its folder alone.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "apps/output.h"
#include "apps/stemsmith/commands.h"
#include "core/file_content.h"
#include "train/report/metrics_log.h"
#include "train/report/recorder.h"
#include "train/report/report.h"
#include "train/report/status.h"

namespace stemsmith {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBetweenLooks{1000};
constexpr std::chrono::seconds kBetweenLines{5};  // of training records, not on a terminal

struct Arguments {
  std::filesystem::path run;
  bool once = false, report = false;
  OutputMode mode = OutputMode::kAuto;
};

// NO_COLOR: the usual way to ask programs for none.
bool Colours() {
  const char* none = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (none == nullptr || *none == '\0');
}

int Columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100;
}

// On a terminal the table is drawn over itself.
void FollowOnTerminal(const Arguments& arguments) {
  std::ptrdiff_t lines = 0;
  while (true) {
    const RunStatus status = ReadStatus(arguments.run);
    const std::string text = StatusText(status, Columns(), Colours());
    WriteOutput((lines > 0 ? "\033[" + std::to_string(lines) + "A\033[J" : "") + text);
    lines = std::count(text.begin(), text.end(), '\n');
    if (status.state != RunState::kRunning || !OutputWorks()) return;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

// Elsewhere new records are told as they come: all of them as JSON, else training's now and then.
void FollowAsLines(const Arguments& arguments) {
  const std::filesystem::path metrics = RunRecords(arguments.run).metrics;
  std::size_t told = MetricsLog::Read(metrics).size();
  Clock::time_point last{};
  while (true) {
    // Looked at before the records are read: nothing is missed between.
    const bool running = ReadStatus(arguments.run).state == RunState::kRunning;
    const std::vector<nlohmann::json> records = MetricsLog::Read(metrics);
    told = std::min(told, records.size());  // a resumed run drops some
    for (; told < records.size(); ++told) {
      const nlohmann::json& record = records[told];
      if (arguments.mode == OutputMode::kJson) {
        WriteOutput(record.dump() + '\n');
      } else if (record.value("event", "") != "train" || Clock::now() - last >= kBetweenLines) {
        WriteOutput(RecordLine(record) + '\n');
        last = Clock::now();
      }
    }
    if (!running || !OutputWorks()) return;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

void RunWatch(const Arguments& arguments) {
  CheckContent(arguments.run, FileUse::kWatchRun);
  RunStatus status = ReadStatus(arguments.run);
  if (arguments.report) {
    const std::filesystem::path file = WriteReport(arguments.run);
    PrintResult(arguments.mode, file.string(), {{"report", file.string()}});
    return;
  }
  const bool follow = !arguments.once && status.state == RunState::kRunning;
  const bool terminal = arguments.mode == OutputMode::kAuto && isatty(STDOUT_FILENO);
  if (follow && terminal) {
    FollowOnTerminal(arguments);
    return;
  }
  if (follow) {
    if (arguments.mode == OutputMode::kAuto)
      WriteOutput(StatusText(status, Columns(), Colours()) + '\n');
    FollowAsLines(arguments);
    status = ReadStatus(arguments.run);
  }
  PrintResult(arguments.mode, StatusText(status, Columns(), Colours()), StatusJson(status));
}

}  // namespace

void AddWatchCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "watch", "Show how a training run stands, and follow it while it runs (Ctrl-C ends)");
  command->add_option("RUN", arguments->run, "Run folder, as given to stemsmith train --run")
      ->required();
  auto* once = command->add_flag("--once", arguments->once, "Show it once, do not follow");
  command
      ->add_flag("--report", arguments->report,
                 "Write RUN/report.html as of now, instead; a run that ends does so itself")
      ->excludes(once);
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] { RunWatch(*arguments); });
}

}  // namespace stemsmith
