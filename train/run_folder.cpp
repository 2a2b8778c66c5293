#include "train/run_folder.h"

#include <algorithm>

#include "core/copy_file.h"
#include "core/current_error.h"
#include "core/error.h"
#include "core/files.h"
#include "core/numbers.h"
#include "core/option.h"
#include "core/text.h"
#include "train/train_state.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {
constexpr char kEnding[] = ".safetensors";
constexpr char kStepPrefix[] = "step_";

// Throws Error for checkpoints that cannot be read, are damaged or hold weights only.
Checkpoint LoadSound(const fs::path& path, const Listener& warn) {
  Checkpoint checkpoint = LoadCheckpoint(path, warn, AdapterUse::kApart);
  if (!checkpoint.training_state.is_object()) {
    throw Error::Input("the checkpoint holds weights only, no training state", path.string());
  }
  MigrateTraining(checkpoint, path.string());
  return checkpoint;
}

Error NothingToResume(const fs::path& checkpoints) {
  return Error::Usage(Option("resume") + ", but there is no checkpoint to continue from",
                      checkpoints.string(),
                      "leave " + Option("resume") + " out to start the run");
}

}  // namespace

void RunFolder::CheckIsThere(const fs::path& root) {
  std::error_code code;
  const fs::path checkpoints = root / "checkpoints";
  if (!fs::exists(checkpoints, code) && !code) throw NothingToResume(checkpoints);
}

RunFolder::RunFolder(fs::path root) : root_(std::move(root)) {
  EnsureWritableFolder(checkpoints());
  for (const fs::path& file : {last(), best(), metrics(), config()}) CheckTarget(file);
  lock_.emplace(root_, "another process is training into this folder",
                "wait for it or choose another " + Option("run"));
  // What a killed process was writing.
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(checkpoints(), ignored)) {
    if (entry.path().filename().string().find(".tmp-") != std::string::npos)
      fs::remove(entry.path(), ignored);
  }
}

void RunFolder::CheckStillThere() const {
  if (lock_->StillThere()) return;
  throw Error::Input("the run folder was deleted or moved while training", root_.string(),
                     "nothing can be saved there any more; start the run again");
}

std::vector<std::pair<std::int64_t, fs::path>> RunFolder::StepCheckpoints() const {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(checkpoints(), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kStepPrefix) || !name.ends_with(kEnding)) continue;
    const std::string digits = name.substr(
        sizeof kStepPrefix - 1, name.size() - (sizeof kStepPrefix - 1) - (sizeof kEnding - 1));
    if (const auto step = NumberIn<std::int64_t>(digits, {.low = 0}))
      found.emplace_back(*step, entry.path());
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

bool RunFolder::HoldsRun() const {
  return fs::exists(last()) || fs::exists(best()) || !StepCheckpoints().empty();
}

Checkpoint RunFolder::LoadNewest(const Listener& warn) const {
  std::vector<fs::path> candidates;
  if (fs::exists(last())) candidates.push_back(last());
  for (const auto& [step, path] : StepCheckpoints()) candidates.push_back(path);
  if (candidates.empty()) throw NothingToResume(checkpoints());
  std::string first_problem;
  for (const fs::path& path : candidates) {
    try {
      Checkpoint checkpoint = LoadSound(path, warn);
      if (!first_problem.empty()) Tell(warn, first_problem + "; going on from " + path.string());
      return checkpoint;
    } catch (const Error& error) {
      if (first_problem.empty()) first_problem = error.text();
    }
  }
  throw Error::Input("no checkpoint of the run can be read: " + first_problem, root_.string(),
                     "start again with another " + Option("run"));
}

std::optional<Checkpoint> RunFolder::LoadStep(std::int64_t step, const Listener& warn) const {
  for (const auto& [number, path] : StepCheckpoints()) {
    if (number > step) continue;
    try {
      return LoadSound(path, warn);
    } catch (const Error& error) {
      Tell(warn, error.text());
    }
  }
  return std::nullopt;
}

void RunFolder::SaveLast(const Checkpoint& checkpoint) const {
  CheckStillThere();
  SaveCheckpoint(last(), checkpoint);
}

void RunFolder::SaveBest(const Checkpoint& checkpoint) const {
  CheckStillThere();
  SaveCheckpoint(best(), checkpoint);
}

void RunFolder::KeepStep(std::int64_t step, int keep) const {
  CheckStillThere();
  if (keep > 0) {
    PendingFile copy(checkpoints() /
                     Formatted("%s%06lld%s", kStepPrefix, static_cast<long long>(step), kEnding));
    CopyFile(last(), copy.path());
    copy.Commit();
  }
  const auto all = StepCheckpoints();
  std::error_code ignored;
  for (std::size_t i = static_cast<std::size_t>(keep); i < all.size(); ++i)
    fs::remove(all[i].second, ignored);
}

}  // namespace stemsmith
