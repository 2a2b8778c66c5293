// NCCL, by which ranks hand each other tensors on GPUs, in a module of its own: only machines that
// have the headers of LibTorch's CUDA part can compile it.
#pragma once

#include <chrono>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace stemsmith {

struct NcclRequest {
  c10::intrusive_ptr<c10d::Store> store;  // where the ranks meet
  int rank = 0, ranks = 1;
  std::chrono::milliseconds timeout{};  // of each collective call
};
using NcclBackend = c10::intrusive_ptr<c10d::Backend>;

// What libstemsmith_nccl.so gives as `stemsmith_make_nccl`.
using MakeNccl = NcclBackend(const NcclRequest& request);

// The ranks on GPUs, each with one of its own, as a backend of c10d. The first collective call
// connects them. LibTorch's CUDA part is loaded. Throws Error where the module is not there, and
// what LibTorch throws.
NcclBackend OpenNccl(const NcclRequest& request);

// Waits for what was sent, or cuts it off, as it may wait for a rank that is gone. Null before is
// fine, and after.
void CloseNccl(NcclBackend& backend, bool wait);

}  // namespace stemsmith
