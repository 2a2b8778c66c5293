// Which engine `auto` means: a table, not a timing, so that two runs on one machine give the same
// bits.
#pragma once

#include <string>

#include "core/cpu.h"
#include "core/device.h"
#include "separate/engine.h"

namespace stemsmith {

struct EngineChoice {
  Engine engine = Engine::kOnnxRuntime;
  std::string why;  // "unet in float32: as fast as OpenVINO"
};

// For a .onnx file of this row of the model table, on a CPU.
EngineChoice ChooseEngine(const std::string& model_name, Precision precision, const Cpu& cpu,
                          bool has_openvino);
// The same on this machine, as it is now.
EngineChoice ChooseEngine(const std::string& model_name, Precision precision);

// Why OpenVINO does not compute in bfloat16 on such a CPU: it has no such products, and others
// would only be imitated; empty: it does.
std::string Bfloat16Problem(const Cpu& cpu);

}  // namespace stemsmith
