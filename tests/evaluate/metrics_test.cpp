#include "evaluate/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
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

TEST(Median, IsTheMiddleOfWhatIsANumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 3, 2}), 2.5);
  EXPECT_EQ(Median({nan, 5, nan, 1, 2}), 2);
  EXPECT_TRUE(std::isnan(Median({nan})));
  EXPECT_TRUE(std::isnan(Median({})));
}

}  // namespace
}  // namespace stemsmith
