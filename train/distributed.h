// Training by several processes, the ranks: each takes its share of every batch, and all end each
// step with the same weights. LibTorch's c10d does the talking: Gloo on CPUs, NCCL on GPUs.
//
// A Ranks object of one process alone does nothing in its calls, so that callers need not ask. With
// several ranks, every rank must make the same calls in the same order: but for the
// accessors, and where said otherwise, all are collective. One thread at a time.
//
// When another rank is gone, silent for longer than the timeout, or has failed, a collective call
// throws Error that says so.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "models/checkpoint.h"
#include "train/launcher.h"

namespace stemsmith {

// What ranks tell each other in a step.
struct StepFigures {
  double loss = 0.0;               // of a rank's share; of all: the mean
  std::int64_t skipped_draws = 0;  // of all: the sum
  int signal = 0;  // Host::StopSignal(), one of kStopSignals; of all: one that some rank has
  bool time_is_up = false;  // of all: as rank 0 sees it
};

class Ranks {
 public:
  // One process alone.
  Ranks();
  // Meets the others; throws Error when they are not there within the timeout. One rank that a
  // launcher started is a group, too: it goes the same ways.
  Ranks(const Launch& launch, double timeout_seconds);
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int rank() const { return launch_.rank; }
  int size() const { return launch_.world_size; }
  bool several() const { return size() > 1; }
  // The one that writes files and says how it goes.
  bool first() const { return rank() == 0; }

  // From now on tensors on the GPU, each rank's own, may be handed over as well. Throws Error where
  // NCCL is not to be had. LibTorch's CUDA part is loaded (separate/torch_device.h).
  void UseGpus();
  // "gloo", "nccl"; empty for a process alone.
  std::string backend() const;

  // Each rank's text, by rank.
  std::vector<std::string> Gather(const std::string& text) const;
  // Rank 0's text.
  std::string Broadcast(const std::string& text) const;
  // Overwrites them with rank 0's; names and shapes are the same on all ranks.
  void Broadcast(const NamedTensors& tensors) const;
  // Overwrites it with the sum over the ranks.
  void Sum(torch::Tensor& tensor) const;

  // From now on Backward leaves the mean over the ranks in the gradients of these parameters. All
  // of them must take part in every loss, or with `some` the same ones on all ranks.
  void ReduceGradients(const NamedTensors& parameters, bool some = false);
  // loss.backward(), with the reduction of what is ready while the rest is computed. With `reduce`
  // false the gradients only add up on each rank, to be reduced with the next loss.
  void Backward(const torch::Tensor& loss, bool reduce = true);
  // Exchange starts, and Exchanged waits for, the figures of a step; what lies between is not held
  // up.
  void Exchange(const StepFigures& mine);
  StepFigures Exchanged();

  // Tells the others why this rank stops, so that they can say so, and returns the error with the
  // rank's name. Not collective.
  Error Failed(const Error& error);

 private:
  struct Group;
  Launch launch_;
  std::unique_ptr<Group> group_;  // null with one rank
  StepFigures figures_;           // of this rank
};

// Tensors and state of a checkpoint that rank 0 has read, on all ranks. Collective.
void BroadcastCheckpoint(const Ranks& ranks, Checkpoint& checkpoint);

// Throws Error on all ranks when one of them was started with another configuration than rank 0,
// another cache or another stemsmith. `config` is the resolved configuration. Collective.
void CheckRanksAgree(const Ranks& ranks, const std::string& config,
                     const std::string& cache_fingerprint);

}  // namespace stemsmith
