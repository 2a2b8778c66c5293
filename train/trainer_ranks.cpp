// What a run does because it may be one of several ranks.
#include <algorithm>
#include <mutex>

#include "core/random.h"
#include "models/layers/batch_norm.h"
#include "train/trainer_run.h"

namespace stemsmith {

void Trainer::JoinRanks() {
  if (!ranks_.several()) return;
  CheckRanksAgree(ranks_, state_.config, state_.cache_fingerprint);
  if (options_.sync_batch_norm) {
    for (const auto& module : model_->modules()) {
      if (auto* norm = dynamic_cast<SharedStatistics*>(module.get()))
        norm->ShareStatistics([this](torch::Tensor& sums) { ranks_.Sum(sums); });
    }
  }
  // Each rank has dropout of its own.
  if (!ranks_.first())
    torch::manual_seed(
        RandomStream({options_.seed, static_cast<std::uint64_t>(ranks_.rank())}).Bits());
}

bool Trainer::ShouldResume() const {
  // torchrun starts a group anew with the same command line.
  const bool again = request_.launch.restarts > 0 && ranks_.first() && folder_->HoldsRun();
  return ranks_.Broadcast(request_.resume || again ? "yes" : "no") == "yes";
}

bool Trainer::TimeIsUp() const {
  return options_.max_seconds > 0 && Elapsed() >= options_.max_seconds;
}

NamedTensors Trainer::RandomStates() const {
  std::vector<torch::Device> generators = {torch::kCPU};
  if (device_.is_cuda()) generators.push_back(device_);
  NamedTensors states;
  for (const torch::Device& device : generators) {
    torch::Tensor state;
    {
      at::Generator generator = at::globalContext().defaultGenerator(device);
      std::lock_guard<std::mutex> lock(generator.mutex());
      state = generator.get_state();
    }
    const std::vector<std::string> all = ranks_.Gather(
        {static_cast<const char*>(state.data_ptr()), static_cast<std::size_t>(state.nbytes())});
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
      torch::Tensor copy =
          torch::empty({static_cast<std::int64_t>(all[rank].size())}, torch::kUInt8);
      std::copy(all[rank].begin(), all[rank].end(), static_cast<char*>(copy.data_ptr()));
      states.emplace_back(RankPrefix(static_cast<int>(rank)) + (device.is_cuda() ? "cuda" : "cpu"),
                          copy);
    }
  }
  return states;
}

}  // namespace stemsmith
