#include <gtest/gtest.h>

#include "core/error.h"
#include "export/onnx/model_writer.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace {

TEST(OnnxWriter, RefusesMoreWeightsThanOneFileHolds) {
  TemporaryFolder folder;
  OnnxGraph graph;
  graph.constants.push_back(
      {"weight", OnnxType::kFloat32, {1 << 29}, std::string(std::size_t{1} << 31, '\0')});
  const Error error =
      ErrorOf([&] { WriteOnnxModel(graph, {}, folder / "model.onnx", "a large model"); });
  EXPECT_NE(error.problem().find("2 GiB"), std::string::npos) << error.what();
  EXPECT_EQ(error.where(), "a large model");
  EXPECT_FALSE(std::filesystem::exists(folder / "model.onnx"));
}

}  // namespace
}  // namespace stemsmith::testing
