#include "train/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

TEST(Device, CpuIsAlwaysThere) { EXPECT_TRUE(SelectDevice("cpu").is_cpu()); }

TEST(Device, UnknownNameIsWrongUse) {
  EXPECT_EQ(testing::ErrorOf([] { SelectDevice("gpu"); }).code(), ExitCode::kWrongUse);
}

TEST(Device, CudaIsThereOrTheReasonIsGiven) {
  try {
    const torch::Device device = SelectDevice("cuda");
    EXPECT_TRUE(device.is_cuda());
    EXPECT_EQ(torch::ones({3}, device).sum().item<float>(), 3.0f);
    EXPECT_TRUE(SelectDevice("auto").is_cuda());
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("cuda asked for but"));
    EXPECT_TRUE(SelectDevice("auto").is_cpu());
  }
}

TEST(Device, EachRankOfAMachineHasAGpu) {
  Launch launch;
  EXPECT_EQ(GpuOfRank("cuda", launch, 1, false), 0);
  EXPECT_EQ(GpuOfRank("cuda:1", launch, 2, false), 1);
  launch.launcher = "torchrun";
  launch.local_rank = 2;
  launch.local_size = 3;
  EXPECT_EQ(GpuOfRank("cuda", launch, 3, false), 2);
  EXPECT_EQ(GpuOfRank("auto", launch, 4, true), 2);
  EXPECT_EQ(GpuOfRank("cuda", launch, 1, true), 0) << "its own, the only one that it sees";
  EXPECT_THAT(testing::MessageOf([&] { GpuOfRank("cuda", launch, 2, false); }),
              ::testing::HasSubstr("3 ranks on this machine, and 2 GPUs"));
  EXPECT_THAT(testing::MessageOf([&] { GpuOfRank("cuda:1", launch, 3, false); }),
              ::testing::HasSubstr("cannot share cuda:1"));
}

TEST(Device, ThreadsAreSet) {
  EXPECT_EQ(PrepareTorch(torch::kCPU, 2), 2);
  EXPECT_EQ(PrepareTorch(torch::kCPU, 1), 1);
}

}  // namespace
}  // namespace stemsmith
