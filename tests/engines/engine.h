// A library of others in a module of its own, as Python's packages and plug-ins bring them along:
// so the order in which they come into a process can be chosen.
#pragma once

#include <string>
#include <vector>

// Defined by each module engine_NAME: work by all means that programs use the library for (threads,
// BLAS, LAPACK, protobuf, Fourier transforms), and some of its results. They are the same in every
// call. `folder` holds model.onnx. Throws std::exception.
using EngineWork = std::vector<float>(const std::string& folder, int threads);
inline constexpr char kEngineWork[] = "stemsmith_engine_work";

// The input of all: values of all signs, `scale` at most.
inline std::vector<float> EngineInput(std::size_t count, float scale = 1) {
  std::vector<float> values(count);
  unsigned state = 1;
  for (float& value : values) {
    state = state * 1664525U + 1013904223U;
    value = scale * (static_cast<float>(state >> 8) / 8388608.0f - 1.0f);
  }
  return values;
}
// Below all normal numbers: they vanish where a library leaves its arithmetic to others.
inline constexpr float kTiny = 1e-39f;

// Behind `results`: some of `values`, spread over all of them.
inline void AddSome(std::vector<float>& results, const float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; i += count / 20 + 1) results.push_back(values[i]);
}
