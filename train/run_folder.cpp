#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/current_error.h"
#include "core/error.h"
#include "core/files.h"
#include "core/numbers.h"
#include "core/progress.h"
#include "train/train_state.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {
constexpr char kEnding[] = ".safetensors";
constexpr char kStepPrefix[] = "step_";
constexpr char kHashKey[] = "tensor_hash";

// One number for all tensors, whatever their order.
std::string HashTensors(const Checkpoint& checkpoint) {
  std::uint64_t sum = 0;
  const auto add = [&sum](const NamedTensors& tensors, std::uint64_t seed) {
    for (const auto& [name, tensor] : tensors) {
      const torch::Tensor plain = tensor.detach().cpu().contiguous();
      sum += HashBytes({static_cast<const char*>(plain.data_ptr()), plain.nbytes()},
                       HashBytes(name, seed));
    }
  };
  add(checkpoint.weights, 1);
  add(checkpoint.training, 2);
  return HexHash(sum);
}

// Throws Error for checkpoints that cannot be read, are damaged or hold weights only.
Checkpoint LoadSound(const fs::path& path) {
  Checkpoint checkpoint = LoadCheckpoint(path);
  if (!checkpoint.training_state.is_object()) {
    throw Error::Input("the checkpoint holds weights only, no training state", path.string());
  }
  if (checkpoint.training_state.value(kHashKey, "") != HashTensors(checkpoint)) {
    throw Error::Input("the checkpoint is damaged: its tensors do not match their hash",
                       path.string());
  }
  MigrateTraining(checkpoint, path.string());
  return checkpoint;
}

}  // namespace

RunFolder::RunFolder(fs::path root) : root_(std::move(root)) {
  EnsureWritableFolder(checkpoints());
  // The lock is on the folder itself: it leaves no file, and a killed process leaves no lock.
  lock_ = open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) throw Error::System("cannot open the run folder", root_.string());
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(lock_);
    throw Error::Usage("another process is training into this folder", root_.string(),
                       "wait for it or choose another --run");
  }
  // What a killed process was writing.
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(checkpoints(), ignored)) {
    if (entry.path().filename().string().find(".tmp-") != std::string::npos)
      fs::remove(entry.path(), ignored);
  }
}

RunFolder::~RunFolder() { close(lock_); }

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

Checkpoint RunFolder::LoadNewest() const {
  std::vector<fs::path> candidates;
  if (fs::exists(last())) candidates.push_back(last());
  for (const auto& [step, path] : StepCheckpoints()) candidates.push_back(path);
  if (candidates.empty()) {
    throw Error::Usage("--resume, but there is no checkpoint to go on from", checkpoints().string(),
                       "leave --resume out to start the run");
  }
  std::string first_problem;
  for (const fs::path& path : candidates) {
    try {
      Checkpoint checkpoint = LoadSound(path);
      if (!first_problem.empty()) Warn(first_problem + "; going on from " + path.string());
      return checkpoint;
    } catch (const Error& error) {
      if (first_problem.empty()) first_problem = error.what();
    }
  }
  throw Error::Input("no checkpoint of the run can be read: " + first_problem, root_.string(),
                     "start anew with another --run");
}

std::optional<Checkpoint> RunFolder::LoadStep(std::int64_t step) const {
  for (const auto& [number, path] : StepCheckpoints()) {
    if (number > step) continue;
    try {
      return LoadSound(path);
    } catch (const Error& error) {
      Warn(error.what());
    }
  }
  return std::nullopt;
}

void RunFolder::SaveLast(Checkpoint checkpoint) const {
  checkpoint.training_state[kHashKey] = HashTensors(checkpoint);
  SaveCheckpoint(last(), checkpoint);
}

void RunFolder::SaveBest(const Checkpoint& checkpoint) const { SaveCheckpoint(best(), checkpoint); }

void RunFolder::KeepStep(std::int64_t step, int keep) const {
  if (keep > 0) {
    char name[64];
    std::snprintf(name, sizeof name, "%s%06lld%s", kStepPrefix, static_cast<long long>(step),
                  kEnding);
    PendingFile copy(checkpoints() / name);
    std::error_code error;
    fs::copy_file(last(), copy.path(), fs::copy_options::overwrite_existing, error);
    if (error) {
      throw SystemError(error, "cannot copy the checkpoint", copy.target().string());
    }
    copy.Commit();
  }
  const auto all = StepCheckpoints();
  std::error_code ignored;
  for (std::size_t i = static_cast<std::size_t>(keep); i < all.size(); ++i)
    fs::remove(all[i].second, ignored);
}

}  // namespace stemsmith
