// What a run says and leaves: its folder, its records, its lines on the terminal. Rank 0 has them;
// on the other ranks all calls do nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/host.h"
#include "train/report/recorder.h"
#include "train/run_folder.h"
#include "train/train_request.h"

namespace stemsmith {

// One thread at a time.
class RunOutput {
 public:
  // `first`: this is rank 0. `request` must outlive it.
  RunOutput(const TrainRequest& request, bool first);
  // Makes the folder and takes its lock, before any other call. Throws Error as RunFolder does.
  void Open(std::int64_t total_steps);
  // The records, for a run that goes on after `last_step`; -1: for a new one. Also within a run,
  // which then goes on from an earlier step.
  void OpenRecords(std::int64_t last_step, bool tensorboard);

  const RunFolder* folder() const { return folder_ ? &*folder_ : nullptr; }  // null but on rank 0
  void CheckStillThere() const;  // throws Error where the folder is gone
  void WriteConfig(const std::string& yaml) const;

  // A line of metrics.jsonl, and the last of them.
  void Append(const nlohmann::json& record);
  void End(std::int64_t step, RunEnd end, int signal, double seconds);
  // Excerpts of validation songs: whether they are wanted now, and to show.
  bool WantsExcerpts(std::int64_t step, bool last) const;
  void Show(const ExcerptSet& excerpts);
  // Whether excerpts of this step lie in the folder; puts those of the kept checkpoint there.
  bool Shows(std::int64_t step) const;
  void ShowKept(const ExcerptSet& excerpts);

  void Message(const std::string& text) { progress_->Message(text); }
  // Those of the request on rank 0, else silence; they ask to stop on every rank.
  const Host& host() const { return host_; }
  void Warn(const std::string& text) const { host_.Warn(text); }
  Progress& progress() { return *progress_; }

 private:
  const TrainRequest& request_;
  const bool first_;
  const Host host_;
  std::optional<RunFolder> folder_;
  std::unique_ptr<RunRecorder> records_;
  std::optional<Progress> progress_;  // quiet but on rank 0
};

}  // namespace stemsmith
