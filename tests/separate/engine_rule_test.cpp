#include "separate/engine_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

const Cpu kAvx2 = {"AVX2", " fpu avx2 "};
const Cpu kAvx512 = {"AVX-512", " fpu avx2 avx512f "};
const Cpu kBf16 = {"bfloat16", " fpu avx2 avx512f avx512_bf16 "};
const Cpu kAmx = {"AMX", " fpu avx2 avx512f avx512_bf16 amx_bf16 "};

TEST(EngineRule, NamesAreUniqueAndReadBack) {
  std::set<std::string> names;
  for (const auto& row : kEngines) {
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_EQ(ChoiceNamed<Engine>(row.name), row.value);
  }
  for (const auto& row : kPrecisions) {
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_EQ(ChoiceNamed<Precision>(row.name), row.value);
  }
}

TEST(EngineRule, IsAFunctionOfModelPrecisionAndCpu) {
  for (const std::string model : {"unet", "scnet"}) {
    const EngineChoice chosen = ChooseEngine(model, Precision::kFloat32, kAmx, true);
    EXPECT_EQ(chosen.engine, Engine::kOpenVino);
    EXPECT_THAT(chosen.why, HasSubstr(model + " in float32"));
    EXPECT_EQ(ChooseEngine(model, Precision::kFloat32, kAvx512, true).engine, Engine::kOpenVino);
    EXPECT_EQ(ChooseEngine(model, Precision::kFloat32, kAvx2, true).engine, Engine::kOnnxRuntime);
  }
  EXPECT_EQ(ChooseEngine("bs_roformer", Precision::kFloat32, kAmx, true).engine,
            Engine::kOnnxRuntime);
  EXPECT_EQ(ChooseEngine("somebody's", Precision::kFloat32, kAmx, true).engine,
            Engine::kOnnxRuntime);
  EXPECT_EQ(ChooseEngine("unet", Precision::kInt8, kAmx, true).engine, Engine::kOnnxRuntime);
  EXPECT_EQ(ChooseEngine("somebody's", Precision::kBfloat16, kAmx, true).engine,
            Engine::kOpenVino);
}

TEST(EngineRule, SaysWhereOpenVinoIsMissed) {
  const EngineChoice chosen = ChooseEngine("unet", Precision::kFloat32, kAmx, false);
  EXPECT_EQ(chosen.engine, Engine::kOnnxRuntime);
  EXPECT_THAT(chosen.why, HasSubstr("not installed"));
}

TEST(EngineRule, Bfloat16NeedsACpuThatHasIt) {
  EXPECT_EQ(Bfloat16Problem(kAmx), "");
  EXPECT_EQ(Bfloat16Problem(kBf16), "");
  EXPECT_THAT(Bfloat16Problem(kAvx512), HasSubstr("avx512_bf16"));
}

}  // namespace
}  // namespace stemsmith
