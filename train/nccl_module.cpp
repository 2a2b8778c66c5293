// The module of train/nccl.h. What it needs of libtorch_cuda.so it finds in the process.
#define USE_DISTRIBUTED
#define USE_C10D_NCCL

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "train/nccl.h"

extern "C" __attribute__((visibility("default"))) stemsmith::NcclBackend stemsmith_make_nccl(
    const stemsmith::NcclRequest& request) {
  const auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = request.timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(request.store, request.rank, request.ranks,
                                                     options);
}
