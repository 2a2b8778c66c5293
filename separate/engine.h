// What runs a model's graph, and in which numbers.
#pragma once

#include "separate/named_choice.h"

namespace stemsmith {

enum class Engine {
  kAuto,         // by the table of separate/engine_rule.h, which a release fixes
  kOnnxRuntime,  // .onnx
  kOpenVino,     // .onnx, on CPUs; its library is loaded when it is used
  kTorchScript,  // .ts, by LibTorch
};

enum class Precision {
  kFloat32,
  kBfloat16,  // products of 16 bits, summed in 32: OpenVINO on CPUs that have it
  kInt8,      // a file whose linear layers have weights of 8 bits
};

inline constexpr NamedChoice<Engine> kEngines[] = {{Engine::kAuto, "auto"},
                                                   {Engine::kOnnxRuntime, "onnxruntime"},
                                                   {Engine::kOpenVino, "openvino"},
                                                   {Engine::kTorchScript, "torchscript"}};
inline constexpr NamedChoice<Precision> kPrecisions[] = {{Precision::kFloat32, "float32"},
                                                         {Precision::kBfloat16, "bfloat16"},
                                                         {Precision::kInt8, "int8"}};

constexpr const auto& NamesOf(Engine) { return kEngines; }
constexpr const auto& NamesOf(Precision) { return kPrecisions; }

}  // namespace stemsmith
