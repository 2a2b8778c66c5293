// Mixed precision: within a scope, convolutions and matrix products compute in a type of 16 bits,
// what would lose by it (sums, norms, softmax) in float32.
#pragma once

#include <ATen/autocast_mode.h>

#include <optional>

namespace stemsmith {

// The type in use in this thread for devices of this kind; none without autocast.
std::optional<at::ScalarType> AutocastType(at::DeviceType device);

// Autocast in this thread for as long as the object lives; then as before. Weights are cast once
// per scope with `cache`.
class AutocastScope {
 public:
  // No type: nothing is cast.
  AutocastScope(at::DeviceType device, std::optional<at::ScalarType> type, bool cache = true);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_, cache_;  // before
  at::ScalarType type_;
};

}  // namespace stemsmith
