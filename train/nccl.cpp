#include "train/nccl.h"

#include "core/module.h"

namespace stemsmith {

NcclBackend OpenNccl(const NcclRequest& request) {
  return reinterpret_cast<MakeNccl*>(
      LoadModuleSymbol("nccl", "stemsmith_make_nccl", "training by ranks on GPUs"))(request);
}

void CloseNccl(NcclBackend& backend, bool wait) {
  if (!backend) return;
  try {
    wait ? backend->shutdown() : backend->abort();
  } catch (const std::exception&) {  // what went wrong was said before
  }
  backend.reset();
}

}  // namespace stemsmith
