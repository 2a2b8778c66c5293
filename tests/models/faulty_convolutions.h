// A machine that computes some convolutions wrongly, for as long as an object lives: what LibTorch
// gives for them in this thread, and in the backward passes that it begins, is spoiled. One at a
// time.
#pragma once

#include <torch/library.h>
#include <torch/torch.h>

#include <functional>
#include <utility>
#include <vector>

#include "models/layers/convolution_trial.h"

namespace stemsmith::testing {

// A convolution as LibTorch is about to compute it.
struct PlainConvolution {
  torch::Tensor input;  // where `backward`: the gradient of what the convolution gave
  std::vector<std::int64_t> stride;
  bool transposed = false;
  bool backward = false;

  bool strided() const {
    return std::any_of(stride.begin(), stride.end(), [](std::int64_t s) { return s > 1; });
  }
  // What oneDNN 3.10 and 3.13 compute wrongly with AMX, and more: strided ones in bfloat16 of less
  // than 32 channels. The gradients of transposed ones are computed by such.
  static bool WrongWithAmx(const PlainConvolution& c) {
    return c.input.scalar_type() == at::kBFloat16 && c.strided() && c.input.size(1) < 32 &&
           c.transposed == c.backward;
  }
};

class FaultyConvolutions {
 public:
  using Which = std::function<bool(const PlainConvolution&)>;
  using Spoil = std::function<torch::Tensor(const torch::Tensor&)>;

  // Of backward passes the gradient number `gradient` is spoiled: 0 the input's, 1 the weight's.
  explicit FaultyConvolutions(Which which, Spoil spoil = OffByMoreThanAll, std::size_t gradient = 0)
      : guard_(Register()) {
    ForgetConvolutionTrials();
    Current() = this;
    which_ = std::move(which);
    spoil_ = std::move(spoil);
    gradient_ = gradient;
  }
  ~FaultyConvolutions() {
    Current() = nullptr;
    ForgetConvolutionTrials();
  }

  static torch::Tensor OffByMoreThanAll(const torch::Tensor& result) { return result * -0.2; }
  int spoiled() const { return spoiled_; }

 private:
  // This key is on no tensor and above all others that matter here.
  static constexpr c10::DispatchKey kKey = c10::DispatchKey::TESTING_ONLY_GenericWrapper;

  static FaultyConvolutions*& Current() {
    static FaultyConvolutions* current = nullptr;
    return current;
  }

  template <bool backward>
  static void On(const c10::OperatorHandle& op, c10::DispatchKeySet keys,
                 torch::jit::Stack* stack) {
    const std::size_t count = op.schema().arguments().size();
    const auto argument = [&](std::size_t i) -> const c10::IValue& {
      return (*stack)[stack->size() - count + i];
    };
    constexpr std::size_t kStride = backward ? 4 : 3, kTransposed = backward ? 7 : 6;
    const PlainConvolution call{argument(0).toTensor(), argument(kStride).toIntVector(),
                                argument(kTransposed).toBool(), backward};
    FaultyConvolutions* current = Current();
    const bool wrong = current != nullptr && current->which_(call);
    op.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, kKey), stack);
    if (!wrong) return;
    ++current->spoiled_;
    c10::IValue& result = (*stack)[stack->size() - (backward ? 3 - current->gradient_ : 1)];
    if (result.toTensor().defined()) result = current->spoil_(result.toTensor());
  }

  static c10::DispatchKey Register() {
    static torch::Library aten(torch::Library::IMPL, "aten", kKey, __FILE__, __LINE__);
    static torch::Library others(torch::Library::IMPL, "_", kKey, __FILE__, __LINE__);
    static const bool once = [] {
      aten.impl("convolution", torch::CppFunction::makeFromBoxedFunction<&On<false>>());
      aten.impl("convolution_backward", torch::CppFunction::makeFromBoxedFunction<&On<true>>());
      others.fallback(torch::CppFunction::makeFallthrough());
      return true;
    }();
    (void)once;
    return kKey;
  }

  c10::impl::IncludeDispatchKeyGuard guard_;
  Which which_;
  Spoil spoil_;
  std::size_t gradient_ = 0;
  int spoiled_ = 0;
};

}  // namespace stemsmith::testing
