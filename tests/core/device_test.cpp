#include "core/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/error.h"
#include "core/flush_denormals.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

TEST(Device, IsWhatItsNameSays) {
  EXPECT_EQ(Device("auto").kind, Device::Kind::kAuto);
  EXPECT_EQ(Device("cpu").kind, Device::Kind::kCpu);
  EXPECT_EQ(Device("cuda"), Device("cuda:0"));
  EXPECT_EQ(Device("cuda:12").index, 12);
  for (const char* name : {"auto", "cpu", "cuda", "cuda:1"}) EXPECT_EQ(Device(name).Name(), name);
}

TEST(Device, UnknownNamesAreWrongUse) {
  for (const char* name : {"", "gpu", "tpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1.5", "cuda:9999",
                           "cpu:0", "cuda1"}) {
    try {
      const Device device(name);
      ADD_FAILURE() << name << " is " << device.Name();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kWrongUse);
      EXPECT_THAT(error.what(), HasSubstr("unknown device"));
    }
  }
}

TEST(Device, SaysHowManyGpusThereAre) {
  EXPECT_EQ(GpuProblem("cuda:1", {.devices = 2}), "");
  EXPECT_EQ(GpuProblem("cuda:1", {.devices = 1}), "this machine has 1 GPU, cuda:0");
  EXPECT_EQ(GpuProblem("cuda:4", {.devices = 4}), "this machine has 4 GPUs, cuda:0 to cuda:3");
  EXPECT_EQ(GpuProblem("cuda", {.problem = "no driver"}), "no driver");
  const CudaDriver& driver = AskCudaDriver();
  EXPECT_EQ(driver.problem.empty(), driver.devices > 0);
  EXPECT_EQ(GpuCapability(driver.devices), 0) << "there is no such GPU";
}

#if defined(__SSE2__) || defined(__aarch64__)
// At run time, not when it is compiled.
float HalfOfTheSmallest() {
  volatile float smallest = std::numeric_limits<float>::min();
  return smallest / 2;
}

TEST(FlushDenormals, PutsBackWhatWasThere) {
  ASSERT_GT(HalfOfTheSmallest(), 0.0f);
  {
    const FlushDenormals flush;
    EXPECT_EQ(HalfOfTheSmallest(), 0.0f);
    { const FlushDenormals again; }
    EXPECT_EQ(HalfOfTheSmallest(), 0.0f) << "it was on before";
  }
  EXPECT_GT(HalfOfTheSmallest(), 0.0f);
}
#endif

}  // namespace
}  // namespace stemsmith
