#include "train/run_output.h"

#include "core/files.h"

namespace stemsmith {

void RunOutput::Open(std::int64_t total_steps) {
  if (first_) folder_.emplace(request_.run);
  ProgressOptions progress;
  progress.label = "train";
  progress.total = total_steps;
  progress.unit = "steps";
  progress.mode = first_ ? request_.output : OutputMode::kQuiet;
  progress_ = std::make_unique<Progress>(progress);
}

void RunOutput::OpenRecords(std::int64_t last_step, bool tensorboard) {
  if (folder_) records_ = std::make_unique<RunRecorder>(folder_->root(), last_step, tensorboard);
}

void RunOutput::CheckStillThere() const {
  if (folder_) folder_->CheckStillThere();
}

void RunOutput::WriteConfig(const std::string& yaml) const {
  if (folder_) WriteFileAtomically(folder_->config(), yaml);
}

void RunOutput::Append(const nlohmann::json& record) {
  if (records_) records_->Append(record);
}

void RunOutput::End(std::int64_t step, int signal, double seconds) {
  if (records_) records_->End(step, signal, seconds);
}

bool RunOutput::WantsExcerpts(std::int64_t step, bool last) const {
  return records_ && records_->WantsExcerpts(step, last);
}

void RunOutput::Show(const ExcerptSet& excerpts) {
  if (records_) records_->Show(excerpts);
}

void RunOutput::Warn(const std::string& text) const {
  if (first_) stemsmith::Warn(text);
}

}  // namespace stemsmith
