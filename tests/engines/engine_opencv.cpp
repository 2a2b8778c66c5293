#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>

#include "tests/engines/engine.h"

namespace {

cv::Mat Made(int rows, int columns, float scale = 1) {
  const std::vector<float> values =
      EngineInput(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns), scale);
  return cv::Mat(values, true).reshape(1, rows);
}

// A network as Caffe describes it in text, which the system's protobuf reads.
constexpr char kNet[] = R"(
name: "net"
input: "data"
input_dim: 1 input_dim: 1 input_dim: 64 input_dim: 64
layer { name: "scale" type: "Power" bottom: "data" top: "scale" power_param { scale: 0.5 shift: 0.25 } }
layer { name: "pool" type: "Pooling" bottom: "scale" top: "pool"
        pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "tanh" type: "TanH" bottom: "pool" top: "tanh" }
)";

}  // namespace

extern "C" std::vector<float> stemsmith_engine_work(const std::string& folder, int threads) {
  cv::setNumThreads(threads);
  std::vector<float> results;
  const auto add = [&](const cv::Mat& values) {
    AddSome(results, values.ptr<float>(),
            values.total() * static_cast<std::size_t>(values.channels()));
  };
  cv::Mat out;
  // Resizes in imgproc.
  add(cv::dnn::blobFromImage(Made(400, 400), 1, cv::Size(150, 130)));
  cv::gemm(Made(300, 200), Made(200, 300), 1, cv::Mat(), 0, out);
  add(out);
  cv::dft(Made(1, 20000), out, cv::DFT_COMPLEX_OUTPUT);
  add(out);
  cv::solve(Made(60, 60), Made(60, 3), out, cv::DECOMP_LU);
  add(out);
  cv::SVD::compute(Made(40, 30), out, cv::SVD::NO_UV);
  add(out);
  add(Made(1, 1000, kTiny) * 0.5);
  cv::dnn::Net net = cv::dnn::readNetFromCaffe(kNet, sizeof kNet - 1);
  const int shape[] = {1, 1, 64, 64};
  net.setInput(Made(64, 64).reshape(1, 4, shape));
  add(net.forward());
  return results;
}
