#include "evaluate/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace stemsmith {
namespace {

TEST(SignalToDistortion, IsTenDecibelsForATenthOfTheEnergyAsError) {
  const std::vector<float> reference = {1, -1, 1, -1};
  const float offset = std::sqrt(0.1f);
  std::vector<float> estimate = reference;
  for (float& sample : estimate) sample += offset;
  EXPECT_NEAR(SignalToDistortionDb(reference, estimate), 10, 1e-5);
}

TEST(SignalToDistortion, IsZeroForSilenceAsEstimate) {
  const std::vector<float> reference = {0.5f, -0.25f, 0.1f}, silence(3);
  EXPECT_NEAR(SignalToDistortionDb(reference, silence), 0, 1e-9);
}

TEST(SignalToDistortion, TellsExactEstimatesAndSilentReferencesApart) {
  const std::vector<float> audio = {0.5f, -0.25f}, silence(2);
  EXPECT_EQ(SignalToDistortionDb(audio, audio), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(SignalToDistortionDb(silence, audio)));
}

}  // namespace
}  // namespace stemsmith
