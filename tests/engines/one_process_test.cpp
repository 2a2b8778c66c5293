// LibTorch, ONNX Runtime and OpenVINO (through libstemsmith.so) and OpenCV in one process, whichever
// comes first: each gives what it gives alone. What could clash are runtimes of OpenMP and TBB, protobuf,
// BLAS and LAPACK of several versions under the same names, and the processor's modes of rounding.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "core/text.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/openvino.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using testing::ProgramResult;
using testing::RunProgram;

struct Case {
  const char* order;
  const char* symbols;
  int threads;
};

std::vector<double> NumbersOf(const std::string& line) {
  std::istringstream text(line);
  std::string word;
  text >> word;
  std::vector<double> numbers;
  while (text >> word) numbers.push_back(std::strtod(word.c_str(), nullptr));
  return numbers;
}

// Bit for bit, but where all see each other's symbols: there the BLAS of the first serves them all,
// and rounds in its own way. Numbers so small that some mode flushes them are what they were.
void ExpectEqual(const std::vector<double>& actual, const std::vector<double>& expected,
                 bool one_blas, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (one_blas) {
      const double rounding = std::abs(expected[i]) < 1e-30 ? 0 : 1e-5;
      ASSERT_NEAR(actual[i], expected[i], 1e-4 * std::abs(expected[i]) + rounding)
          << what << ", " << i;
    } else {
      ASSERT_EQ(actual[i], expected[i]) << what << ", " << i;
    }
  }
}

class OneProcess : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
#ifndef STEMSMITH_HAS_OPENCV
    GTEST_SKIP() << "needs OpenCV when it is built: Debian's libopencv-dnn-dev";
#endif
    if (Holds(GetParam().order, "openvino")) STEMSMITH_NEEDS_OPENVINO();
    testing::WriteGainOnnx(folder_ / "model.onnx", testing::TinyManifest(), {0.5f, -0.25f});
  }

  std::vector<std::string> Lines(const Case& c, const std::string& names) {
    const ProgramResult result =
        RunProgram(STEMSMITH_BIN_DIR "/one_process '" + folder_.path().string() + "' " + c.symbols +
                   " " + std::to_string(c.threads) + " " + names);
    EXPECT_EQ(result.status, 0) << names << ": " << result.err;
    std::vector<std::string> lines;
    std::istringstream text(result.out);
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

  // What an engine gives in a process of its own.
  const std::string& Alone(const Case& c, const std::string& name) {
    static std::map<std::tuple<std::string, int>, std::string> known;
    std::string& line = known[{name, c.threads}];
    if (line.empty()) {
      const std::vector<std::string> lines = Lines(c, name);
      if (!lines.empty()) line = lines.front();
      EXPECT_GT(std::count(line.begin(), line.end(), ' '), 10) << name;
    }
    return line;
  }

  testing::TemporaryFolder folder_;
};

TEST_P(OneProcess, GivesWhatEachGivesAlone) {
  const Case& c = GetParam();
  const std::string order = c.order;
  // All are used before, between and after each other, and then at once.
  const std::vector<std::string> lines = Lines(c, order + " " + order);
  const auto engines = std::count(order.begin(), order.end(), ' ') + 1;
  ASSERT_EQ(static_cast<std::ptrdiff_t>(lines.size()), 2 * engines + 3 * engines);
  for (const std::string& line : lines) {
    const std::string name = line.substr(0, line.find(' '));
    ExpectEqual(NumbersOf(line), NumbersOf(Alone(c, name)), c.symbols == std::string("global"),
                order + ": " + name);
  }
}

constexpr Case kCases[] = {{"torch onnx opencv", "local", 4},  {"torch opencv onnx", "local", 1},
                           {"onnx torch opencv", "local", 4},  {"onnx opencv torch", "local", 4},
                           {"opencv torch onnx", "local", 1},  {"opencv onnx torch", "local", 4},
                           {"torch onnx opencv", "global", 1}, {"torch opencv onnx", "global", 4},
                           {"onnx torch opencv", "global", 4}, {"onnx opencv torch", "global", 1},
                           {"opencv torch onnx", "global", 4}, {"opencv onnx torch", "global", 4},
                           {"torch onnx openvino opencv", "local", 4},
                           {"opencv openvino torch onnx", "local", 1},
                           {"openvino opencv onnx torch", "local", 4},
                           {"onnx opencv openvino torch", "global", 4},
                           {"openvino torch opencv onnx", "global", 4}};
INSTANTIATE_TEST_SUITE_P(Orders, OneProcess, ::testing::ValuesIn(kCases), [](const auto& info) {
  std::string name = std::string(info.param.order) + " " + info.param.symbols;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

}  // namespace
}  // namespace stemsmith
