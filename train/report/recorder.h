// What a training leaves to be looked at: metrics.jsonl, TensorBoard's events, excerpts to hear.
// Whatever cannot be written is a warning: training is worth more than its records.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/host.h"
#include "train/report/event_file.h"
#include "train/report/excerpt.h"
#include "train/report/metrics_log.h"
#include "train/report/run_end.h"
#include "train/report/run_records.h"

namespace stemsmith {

class RunRecorder {
 public:
  // A resumed run states the step it goes on from: what was recorded after it is dropped. A new one
  // says -1, and starts with nothing.
  RunRecorder(const std::filesystem::path& run, std::int64_t last_step, bool tensorboard,
              Listener warn = {});

  // A line of metrics.jsonl, {"event", "step", …}, and its numbers as scalars "EVENT/KEY" or
  // "EVENT/KEY/NAME". All but the events "start" and "end", which are lines only.
  void Append(const nlohmann::json& record);

  // Whether excerpts of this step are wanted: the first, then each time the step has grown by half,
  // and the last; so that a long run leaves some dozens.
  bool WantsExcerpts(std::int64_t step, bool last) const;
  // Replaces those in listen/; TensorBoard keeps those of the first song of every step.
  void Show(const ExcerptSet& set);
  // Whether those in listen/ are of this step.
  bool Shows(std::int64_t step) const;
  // Replaces those in listen/ by those of the checkpoint that is kept, which may be of an earlier
  // step: TensorBoard has them already or does without.
  void ShowKept(const ExcerptSet& set);

  // The last line of metrics.jsonl, and report.html. `signal`: that of RunEnd::kSignal, else 0.
  void End(std::int64_t step, RunEnd end, int signal, double seconds);

 private:
  // The run's configuration for TensorBoard: as text, and as hyperparameters.
  void AddConfiguration(std::int64_t last_step);

  std::filesystem::path run_;
  const Listener warn_;
  RunRecords files_;
  MetricsLog metrics_;
  std::unique_ptr<EventFile> events_;  // null without TensorBoard
  std::vector<std::int64_t> shown_;    // steps, rising
};

}  // namespace stemsmith
