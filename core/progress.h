// Progress of long work: a bar on a terminal, plain lines elsewhere, JSON lines under --json,
// nothing under
// --quiet. One object per piece of work; Update may be called from one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace stemsmith {

enum class OutputMode {
  kAuto,
  kJson,
  kQuiet
};  // kAuto: bar or lines by whether stderr is a terminal

struct ProgressOptions {
  std::string label;       // "prepare", "train", the file being separated …
  std::int64_t total = 0;  // in units; 0 when unknown
  std::string unit = "";   // "songs", "steps", "s"
  OutputMode mode = OutputMode::kAuto;
  double line_interval_seconds = 5.0;  // between plain lines
};

class Progress {
 public:
  explicit Progress(ProgressOptions options);
  ~Progress();
  // `detail` is shown behind the bar ("loss 0.0123, 35.1 samples/s"); `fields` go into the JSON
  // line.
  void Update(std::int64_t done, const std::string& detail = "",
              const nlohmann::json& fields = nullptr);
  // A line of its own that does not disturb the bar (a warning, a validation result).
  void Message(const std::string& text);
  void Finish(const std::string& detail = "");

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The result of a command: as JSON line on stdout under --json, else `text` on stdout (not under
// --quiet).
void PrintResult(OutputMode mode, const std::string& text, const nlohmann::json& fields);
// A warning on stderr: "warning: …".
void Warn(const std::string& text);
// 75 → "1:15", 3700 → "1:01:40".
std::string FormatDuration(double seconds);
// 1536 → "1.5 KiB".
std::string FormatBytes(double bytes);

}  // namespace stemsmith
