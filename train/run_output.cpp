#include "train/run_output.h"

#include "core/files.h"

namespace stemsmith {

RunOutput::RunOutput(const TrainRequest& request, bool first)
    : request_(request),
      first_(first),
      host_(first ? request.host : Host{.stop = request.host.stop}) {}

void RunOutput::Open(std::int64_t total_steps) {
  if (first_ && request_.resume) RunFolder::CheckIsThere(request_.run);
  if (first_) folder_.emplace(request_.run);
  progress_.emplace(host_, Task{"train", total_steps, "steps"});
}

void RunOutput::OpenRecords(std::int64_t last_step, bool tensorboard) {
  if (folder_)
    records_ = std::make_unique<RunRecorder>(folder_->root(), last_step, tensorboard, host_.warn);
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

void RunOutput::End(std::int64_t step, RunEnd end, int signal, double seconds) {
  if (records_) records_->End(step, end, signal, seconds);
}

bool RunOutput::WantsExcerpts(std::int64_t step, bool last) const {
  return records_ && records_->WantsExcerpts(step, last);
}

bool RunOutput::Shows(std::int64_t step) const { return !records_ || records_->Shows(step); }

void RunOutput::ShowKept(const ExcerptSet& excerpts) {
  if (records_) records_->ShowKept(excerpts);
}

void RunOutput::Show(const ExcerptSet& excerpts) {
  if (records_) records_->Show(excerpts);
}

}  // namespace stemsmith
