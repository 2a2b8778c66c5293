#include "serve/programs.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>

#include "core/error.h"
#include "core/json_fields.h"
#include "core/numbers.h"
#include "core/text.h"
#include "serve/child_process.h"

namespace stemsmith {

namespace fs = std::filesystem;

namespace {

constexpr double kLookSeconds = 120;  // of programs that only look at a file
constexpr std::int64_t kLookBytes = std::int64_t{4} << 30;
constexpr std::chrono::milliseconds kBetweenTicks{500};

// Asks now and then whether a program is to go on.
class Ticker {
 public:
  Ticker(CancelSwitch& cancel, std::function<bool()> go_on)
      : thread_([&cancel, go_on = std::move(go_on)](const std::stop_token& stop) {
          std::mutex mutex;
          std::condition_variable_any wake;
          std::unique_lock lock(mutex);
          while (!wake.wait_for(lock, stop, kBetweenTicks, [] { return false; }) &&
                 !stop.stop_requested()) {
            if (!go_on()) {
              cancel.Cancel();
              return;
            }
          }
        }) {}
  void End() { thread_ = {}; }

 private:
  std::jthread thread_;
};

bool Succeeded(const ChildResult& ended) {
  return ended.stopped == ChildStop::kNone && ended.signal == 0 && ended.exit_status == 0;
}

std::string EndText(const ChildResult& ended) {
  if (ended.stopped == ChildStop::kTime) return "it took too long";
  if (ended.stopped == ChildStop::kMemory) return "it took too much memory";
  if (ended.signal != 0) return "signal " + std::to_string(ended.signal);
  return "exit status " + std::to_string(ended.exit_status);
}

// Paths of this machine are nobody's business: users see their song as "the song", and not where
// an error only says what it is about: "no audio (PATH); …".
std::string WithoutPath(std::string text, const fs::path& path, const std::string& instead) {
  const std::string from = path.string();
  if (from.empty()) return text;
  for (std::size_t at; (at = text.find(" (" + from)) != std::string::npos;) {
    const std::size_t end = text.find(')', at + from.size());
    text.erase(at, end == std::string::npos ? end : end + 1 - at);
  }
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += instead.size())
    text.replace(at, from.size(), instead);
  return text;
}

// The line of an error as programs print it.
std::string ErrorIn(const std::string& stderr_text) {
  const std::size_t at = stderr_text.find("error: ");
  return at == std::string::npos ? "" : std::string(FirstLine(stderr_text.substr(at + 7)));
}

}  // namespace

Programs::Programs(fs::path folder, const JobLimits& limits)
    : folder_(std::move(folder)), limits_(limits) {}

nlohmann::json Programs::Ask(const std::vector<std::string>& arguments,
                             const fs::path& about, double most_seconds,
                             const CancelSwitch* cancel) const {
  std::vector<std::string> command = {(folder_ / "stemsmith").string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  nlohmann::json result;
  const ChildResult ended = RunChild(
      command, {.seconds = most_seconds, .memory_bytes = kLookBytes}, [&](std::string_view line) {
        nlohmann::json said = ParseJson(line);
        if (said.is_object() && said.value("event", "") == "result") result = std::move(said);
      },
      cancel);
  if (Succeeded(ended) && result.is_object()) return result;
  const std::string error = ErrorIn(ended.error_output);
  throw Error::Input(error.empty() ? "the file could not be read: " + EndText(ended)
                                   : WithoutPath(error, about, "the file"),
                     "");
}

nlohmann::json Programs::Inspect(const fs::path& model) const {
  return Ask({"inspect", model.string(), "--json"}, model, kLookSeconds);
}

nlohmann::json Programs::Probe(const fs::path& song) const {
  return Ask({"probe", song.string(), "--json", "--max-seconds=" + NumberText(limits_.song_seconds)},
             song, kLookSeconds);
}

void Programs::WritePeaks(const fs::path& audio, const fs::path& file) const {
  Ask({"probe", audio.string(), "--json", "--peaks=" + file.string()}, audio, kLookSeconds);
}

void Programs::WriteSpectrogram(const fs::path& audio, const fs::path& file) const {
  Ask({"probe", audio.string(), "--json", "--spectrogram=" + file.string()}, audio, kLookSeconds);
}

void Programs::MakeFile(const StemFileOrder& order, const std::function<bool()>& go_on) const {
  CancelSwitch cancel;
  const Ticker ticker(cancel, go_on);
  Ask({"serve", "--make-file=" + order.ToText(), "--json"}, order.target, limits_.job_seconds,
      &cancel);
}

void Programs::WriteReport(const fs::path& run) const {
  Ask({"watch", run.string(), "--report", "--json"}, run, kLookSeconds);
}

Programs::Separation Programs::Separate(const std::vector<std::string>& arguments,
                                        const std::function<bool(double share)>& progress) const {
  std::vector<std::string> command = {(folder_ / "separate").string(), "--json"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  Separation separation;
  std::atomic<double> share = 0;
  CancelSwitch cancel;
  Ticker ticker(cancel, [&] { return progress(share); });
  const ChildResult ended = RunChild(
      command, {.seconds = limits_.job_seconds, .memory_bytes = limits_.job_bytes},
      [&](std::string_view line) {
        nlohmann::json said = ParseJson(line);
        if (!said.is_object()) return;
        const std::string event = said.value("event", "");
        if (event == "progress" && said.value("total", 0.0) > 0)
          share = std::clamp(said.value("done", 0.0) / said.value("total", 1.0), 0.0, 1.0);
        if (event == "song") separation.song = std::move(said);
        if (event == "error") separation.message = said.value("message", "");
      },
      &cancel);
  ticker.End();
  if (Succeeded(ended) && separation.song.is_object()) {
    separation.end = End::kDone;
    return separation;
  }
  if (separation.message.empty()) separation.message = ErrorIn(ended.error_output);
  const auto hide = [&](const std::string& path, const std::string& instead) {
    separation.message = WithoutPath(separation.message, path, instead);
  };
  if (arguments.size() > 1) hide(arguments[1], "the song");
  if (!arguments.empty()) hide(arguments[0], "the model");
  for (const std::string& argument : arguments)
    if (argument.starts_with("--out=")) hide(argument.substr(6), "the server's folder");
  if (ended.stopped == ChildStop::kCancelled) {
    separation.end = End::kStopped;
  } else if (ended.stopped == ChildStop::kTime) {
    separation.message = "the song takes longer than the " + FormatDuration(limits_.job_seconds) +
                         " that a job may take";
  } else if (ended.stopped == ChildStop::kMemory) {
    separation.message = "the song takes more than the " +
                         FormatBytes(static_cast<double>(limits_.job_bytes)) +
                         " of memory that a job may take";
  } else if (ended.signal != 0 || ended.exit_status > 128) {
    separation.end = End::kCrashed;
    separation.message = "the program that separates broke down: " + EndText(ended);
  } else if (separation.message.empty()) {
    separation.message = "the program that separates gave up: " + EndText(ended);
  }
  return separation;
}

}  // namespace stemsmith
