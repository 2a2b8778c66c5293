#include "core/cpu.h"

#include <gtest/gtest.h>

namespace stemsmith {
namespace {

TEST(Cpu, FlagsAreWholeWords) {
  const Cpu cpu = ParseCpuInfo(
      "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon 9\nflags\t\t: fpu avx512f "
      "amx_bf16\nbugs\t\t:\n\nprocessor\t: 1\nmodel name\t: Xeon 9\nflags\t\t: fpu\n");
  EXPECT_EQ(cpu.model, "Xeon 9");
  EXPECT_TRUE(cpu.Has("fpu"));
  EXPECT_TRUE(cpu.Has("avx512f"));
  EXPECT_TRUE(cpu.Has("amx_bf16"));
  EXPECT_FALSE(cpu.Has("avx512"));
  EXPECT_FALSE(cpu.Has("avx512_bf16"));
}

TEST(Cpu, OtherArchitecturesAndNothingAtAll) {
  const Cpu arm = ParseCpuInfo("processor\t: 0\nFeatures\t: fp asimd bf16\n");
  EXPECT_TRUE(arm.Has("asimd"));
  EXPECT_FALSE(ParseCpuInfo("").Has("fpu"));
  EXPECT_FALSE(ThisCpu().flags.empty());
}

}  // namespace
}  // namespace stemsmith
