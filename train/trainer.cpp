#include "train/trainer.h"

#include <c10/util/Exception.h>

#include "core/current_error.h"
#include "core/error.h"
#include "separate/torch_device.h"
#include "train/options.h"
#include "train/training_loop.h"

namespace stemsmith {

Error OutOfDeviceMemory(const std::string& where) {
  return Error::Input("the GPU's memory does not suffice", where,
                      "make train.batch_size smaller (and train.accumulate larger by as much, for "
                      "the same steps) or dataset.segment_seconds smaller, or set "
                      "train.activation_checkpointing: true or train.precision: bfloat16");
}

namespace {

// In LibTorch's words; before it stands the operation.
constexpr const char* kNotDeterministic = " does not have a deterministic implementation";

Error NotDeterministic(const std::string& operation, const std::string& where) {
  return Error::Input("the training is not the same each time on a GPU: " + operation +
                          " has no such form in LibTorch",
                      where, "leave out train.deterministic, or train on the CPU");
}

// With the errors of LibTorch and the system in our words, so that other ranks hear of them.
TrainResult TrainOnRank(const Config& config, const TrainRequest& request, Ranks& ranks) {
  try {
    return TrainingLoop(config, request, ranks).Run();
  } catch (const c10::OutOfMemoryError&) {
    throw OutOfDeviceMemory(request.run.string());
  } catch (const c10::Error& error) {
    const std::string reason = error.what_without_backtrace();
    if (const std::size_t end = reason.find(kNotDeterministic); end != std::string::npos)
      throw NotDeterministic(reason.substr(0, end), request.run.string());
    throw CurrentError(request.run.string());
  } catch (const std::bad_alloc&) {
    throw CurrentError(request.run.string());
  } catch (const std::system_error&) {
    throw CurrentError(request.run.string());
  }
}

}  // namespace

TrainResult Train(const Config& config, const TrainRequest& request) {
  if (request.device.kind != Device::Kind::kCpu)
    TorchCudaProblem();  // before the ranks use LibTorch
  Ranks ranks(request.launch, RankTimeoutSeconds(config));
  try {
    return TrainOnRank(config, request, ranks);
  } catch (const Error& error) {
    throw ranks.Failed(error);
  }
}

}  // namespace stemsmith
