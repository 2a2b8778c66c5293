#include "separate/engine_rule.h"

#include "separate/openvino_api.h"

namespace stemsmith {
namespace {

struct Rule {
  const char* model;  // row of the model table
  Precision precision;
  const char* flag;  // that the CPU must have, as /proc/cpuinfo writes it
  const char* why;
};

// What OpenVINO runs; all else is ONNX Runtime's. docs/numerics.md has the figures: on the same CPU
// `hdemucs` is slower, `open_unmix` and `htdemucs` are as fast but start later, and `demucs_v2`
// and RoFormers take three times the memory.
constexpr Rule kOpenVinoRules[] = {
    {"unet", Precision::kFloat32, "avx512f", "1.3 times as fast as ONNX Runtime"},
    {"scnet", Precision::kFloat32, "avx512f", "1.3 times as fast as ONNX Runtime"},
};

}  // namespace

EngineChoice ChooseEngine(const std::string& model_name, Precision precision, const Cpu& cpu,
                          bool has_openvino) {
  if (precision == Precision::kBfloat16)
    return {Engine::kOpenVino, "the engine that computes in bfloat16"};
  for (const Rule& rule : kOpenVinoRules) {
    if (model_name != rule.model || precision != rule.precision || !cpu.Has(rule.flag)) continue;
    const std::string on = std::string(rule.model) + " in " + NameOf(rule.precision) +
                           " on a CPU with " + rule.flag + ": OpenVINO is " + rule.why;
    if (has_openvino) return {Engine::kOpenVino, on};
    return {Engine::kOnnxRuntime, on + ", but it is not installed"};
  }
  return {Engine::kOnnxRuntime,
          "no rule has " + model_name + " in " + NameOf(precision) + " on this CPU"};
}

EngineChoice ChooseEngine(const std::string& model_name, Precision precision) {
  const EngineChoice wanted = ChooseEngine(model_name, precision, ThisCpu(), true);
  // Its library is not loaded to no purpose.
  if (wanted.engine != Engine::kOpenVino) return wanted;
  return ChooseEngine(model_name, precision, ThisCpu(), openvino::Find().api != nullptr);
}

std::string Bfloat16Problem(const Cpu& cpu) {
  if (cpu.Has("avx512_bf16") || cpu.Has("amx_bf16")) return "";
  return "this CPU has no products of bfloat16 (neither avx512_bf16 nor amx_bf16)";
}

}  // namespace stemsmith
