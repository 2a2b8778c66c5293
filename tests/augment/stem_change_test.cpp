#include "augment/stem_change.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/augment/audio_fixture.h"

namespace stemsmith {
namespace {

// Every combination of channels and of lengths that do not fill a block of registers or a stretch.
TEST(ChangeAndSum, ScalesSwapsAndSumsInOnePass) {
  for (const int channels : {1, 2, 3, 4}) {
    for (const std::int64_t frames : {1, 7, 16, 21, 37, 1024, 2500}) {
      Audio audio(3, channels, frames);
      for (int s = 0; s < 3; ++s) audio.AddNoise(s, 0.5, 7);
      const std::vector<float> before = audio.samples;
      const std::vector<StemChange> changes = {
          {}, {.factor = -0.5f, .swapped = true}, {.factor = 0}};
      std::vector<float> mix(static_cast<std::size_t>(channels * frames), 9.0f);
      ChangeAndSum(audio.block, changes, mix.data());
      for (int c = 0; c < channels; ++c) {
        const int from = channels > 1 && c < 2 ? 1 - c : c;
        for (std::int64_t i = 0; i < frames; ++i) {
          const auto was = [&](int stem, int channel) {
            return before[static_cast<std::size_t>((stem * channels + channel) * frames + i)];
          };
          EXPECT_EQ(audio.block.channel(0, c)[i], was(0, c));
          EXPECT_EQ(audio.block.channel(1, c)[i], -0.5f * was(1, from));
          EXPECT_EQ(audio.block.channel(2, c)[i], 0.0f);
          EXPECT_EQ(mix[static_cast<std::size_t>(c * frames + i)],
                    was(0, c) + -0.5f * was(1, from));
        }
      }
    }
  }
}

class Clip : public Augmentation {
 public:
  void Apply(StemBlock& block, RandomStream&) const override {
    for (std::int64_t i = 0; i < block.frames; ++i)
      block.data[i] = std::clamp(block.data[i], -1.0f, 1.0f);
  }
};
class Louder : public Augmentation {
 public:
  bool ChangeStems(std::span<StemChange> changes, int, RandomStream&) const override {
    for (StemChange& change : changes) change.factor *= 4.0f;
    return true;
  }
};

// What comes after a change that waits is given changed audio.
TEST(ChangeAndSum, KeepsTheOrderOfTheChain) {
  const auto first_sample_after = [](bool clip_first) {
    AugmentChain chain;
    if (clip_first) chain.Add("clip", 1.0, std::make_shared<Clip>());
    chain.Add("louder", 1.0, std::make_shared<Louder>());
    if (!clip_first) chain.Add("clip", 1.0, std::make_shared<Clip>());
    Audio audio(1, 1, 1);
    audio.samples[0] = 0.75f;
    audio.Apply(chain);
    return audio.samples[0];
  };
  EXPECT_EQ(first_sample_after(true), 3.0f);
  EXPECT_EQ(first_sample_after(false), 1.0f);
}

}  // namespace
}  // namespace stemsmith
