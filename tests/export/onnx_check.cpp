#include "tests/export/onnx_check.h"

#include <onnxruntime_cxx_api.h>

#include <algorithm>

#include "export/lowering.h"
#include "export/onnx/model_writer.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace {

torch::Tensor RunOnnx(Ort::Session& session, const torch::Tensor& input) {
  const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const std::vector<std::int64_t> shape = input.sizes().vec();
  Ort::Value in = Ort::Value::CreateTensor<float>(memory, input.data_ptr<float>(),
                                                  static_cast<std::size_t>(input.numel()),
                                                  shape.data(), shape.size());
  const char* in_name = "mix";
  const char* out_name = "estimates";
  auto out = session.Run(Ort::RunOptions{nullptr}, &in_name, &in, 1, &out_name, 1);
  const auto out_shape = out[0].GetTensorTypeAndShapeInfo().GetShape();
  return torch::from_blob(out[0].GetTensorMutableData<float>(), out_shape).clone();
}

double RelativeError(const torch::Tensor& expected, const torch::Tensor& actual) {
  if (expected.sizes() != actual.sizes()) return INFINITY;
  const double peak = expected.abs().max().item<double>();
  const double error = (expected - actual).abs().max().item<double>();
  return std::isfinite(error) ? error / std::max(peak, 1e-30) : INFINITY;
}

OnnxGraph Lowered(torch::nn::Module& module, const TraceableForward& forward,
                  const OnnxCheckOptions& options) {
  module.eval();
  const torch::NoGradGuard no_grad;
  const Trace trace = TraceForward(
      module, forward, GuardExamples(static_cast<int>(options.channels), options.traced_lengths),
      "test");
  return LowerToOnnx(trace, "test");
}

}  // namespace

std::vector<std::string> OnnxOperators(torch::nn::Module& module, const TraceableForward& forward,
                                       const OnnxCheckOptions& options) {
  std::vector<std::string> operators;
  for (const OnnxNode& node : Lowered(module, forward, options).nodes) operators.push_back(node.op);
  return operators;
}

double OnnxError(torch::nn::Module& module, const TraceableForward& forward,
                 const OnnxCheckOptions& options) {
  const OnnxGraph graph = Lowered(module, forward, options);
  const torch::NoGradGuard no_grad;
  TemporaryFolder folder;
  WriteOnnxModel(graph, {}, folder / "model.onnx", "test");

  static Ort::Env environment(ORT_LOGGING_LEVEL_ERROR, "test");
  Ort::SessionOptions session_options;
  session_options.SetIntraOpNumThreads(1);
  Ort::Session session(environment, (folder / "model.onnx").c_str(), session_options);
  double error = 0;
  for (const std::int64_t batch : {1, 4}) {
    for (const std::int64_t length :
         options.traced_lengths.size() > 1 ? options.run_lengths : options.traced_lengths) {
      const torch::Tensor input = torch::randn({batch, options.channels, length});
      error = std::max(error, RelativeError(forward(input), RunOnnx(session, input)));
    }
  }
  return error;
}

double OnnxError(const TraceableForward& forward, const OnnxCheckOptions& options) {
  struct Empty : torch::nn::Module {
  } module;
  return OnnxError(module, forward, options);
}

}  // namespace stemsmith::testing
