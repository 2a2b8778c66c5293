#include "separate/stem_mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "separate/stem_stream.h"

namespace stemsmith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::vector<std::string> kFour = {"drums", "bass", "other", "vocals"};

// "karaoke = drums + bass".
std::string Text(const StemMix& mix) {
  std::string text = mix.name + " =";
  for (const auto& [stem, factor] : mix.terms) {
    text += factor < 0 ? " - " : text.ends_with('=') ? " " : " + ";
    if (std::abs(factor) != 1) text += std::to_string(std::abs(factor)).substr(0, 4) + " ";
    text += stem;
  }
  return text;
}

std::vector<std::string> Texts(const StemChoice& choice,
                               const std::vector<std::string>& stems = kFour) {
  std::vector<std::string> texts;
  for (const StemMix& mix : FilesOf(choice, stems)) texts.push_back(Text(mix));
  return texts;
}

TEST(StemMixes, AreReadAsTheyAreWritten) {
  EXPECT_EQ(Text(ParseStemMix("karaoke=drums+bass+other", kFour)),
            "karaoke = drums + bass + other");
  EXPECT_EQ(Text(ParseStemMix(" my mix = mixture - vocals ", kFour)), "my mix = mixture - vocals");
  EXPECT_EQ(Text(ParseStemMix("x=-vocals+0.5*drums", kFour)), "x = - vocals + 0.50 drums");
  EXPECT_EQ(Text(ParseStemMix("x=+ 2 * bass", kFour)), "x = 2.00 bass");
  // Stems whose names hold signs.
  EXPECT_EQ(Text(ParseStemMix("x=mixture-back-vocals", {"back", "back-vocals", "drums+bass"})),
            "x = mixture - back-vocals");
  EXPECT_EQ(Text(ParseStemMix("x=drums+bass-back", {"back", "back-vocals", "drums+bass"})),
            "x = drums+bass - back");
}

TEST(StemMixes, WhatIsNoneIsSaid) {
  for (const auto& [text, says] :
       {std::pair("drums+bass", "there is no '='"), std::pair("=drums", "the name is missing"),
        std::pair("a/b=drums", "no file can be called 'a/b'"), std::pair("x=", "a stem is missing"),
        std::pair("x=drums+", "a stem is missing"), std::pair("x=drums--bass", "a stem is missing"),
        std::pair("x=drums+drums", "'drums' comes twice"),
        std::pair("x=drum+bass", "there is no stem 'drum'"),
        std::pair("x=drum+bass", "did you mean 'drums'"),
        std::pair("x=a*drums", "must be a number from 0 to 1000, not 'a'"),
        std::pair("x=nan*drums", "not 'nan'")})
    EXPECT_THAT([&] { ParseStemMix(text, kFour); }, ThrowsMessage<Error>(HasSubstr(says))) << text;
}

TEST(StemMixes, ChoicesBecomeFiles) {
  EXPECT_THAT(Texts({}),
              ElementsAre("drums = drums", "bass = bass", "other = other", "vocals = vocals"));
  EXPECT_THAT(Texts({.stems = {"vocals"}, .mixes = {"karaoke=mixture-vocals"}}),
              ElementsAre("vocals = vocals", "karaoke = mixture - vocals"));
  EXPECT_THAT(Texts({.mixes = {"k=drums+bass"}}), ElementsAre("k = drums + bass"));
  EXPECT_THAT(Texts({.two_stems = "bass"}),
              ElementsAre("bass = bass", "no_bass = drums + other + vocals"));
  // A model of one stem: the song without it.
  EXPECT_THAT(Texts({.two_stems = "vocals"}, {"vocals"}),
              ElementsAre("vocals = vocals", "no_vocals = mixture - vocals"));
  EXPECT_THAT(Texts({.preset = "2stem"}),
              ElementsAre("vocals = vocals", "no_vocals = drums + bass + other"));
  EXPECT_THAT(Texts({.preset = "4stem"}, {"drums", "bass", "other", "vocals", "guitar", "piano"}),
              ElementsAre("drums = drums", "bass = bass", "other = other + guitar + piano",
                          "vocals = vocals"));
  EXPECT_THAT(Texts({.preset = "4stem"}, {"drums", "bass", "vocals"}),
              ElementsAre("drums = drums", "bass = bass", "other = mixture - drums - bass - vocals",
                          "vocals = vocals"));
  const auto refuse = [](const StemChoice& choice, const std::string& says) {
    EXPECT_THAT([&] { FilesOf(choice, kFour); }, ThrowsMessage<Error>(HasSubstr(says)));
  };
  refuse({.stems = {"vocal"}}, "there is no stem 'vocal' (stems)");
  refuse({.two_stems = "piano"}, "(two-stems)");
  refuse({.preset = "5stem"}, "unknown preset '5stem'");
  // The same wish twice is one file; different ones of a name are none.
  EXPECT_THAT(Texts({.stems = {"vocals"}, .two_stems = "vocals", .preset = "2stem"}),
              ElementsAre("vocals = vocals", "no_vocals = drums + bass + other"));
  refuse({.mixes = {"x=drums", "x=bass"}}, "two different files of a song would be called 'x'");
  refuse({.mixes = {"drums=bass"}}, "'drums' is the name of a stem");
  refuse({.mixes = {"mixture=drums"}}, "'mixture' is the name of the song itself");
  refuse({.mixes = {std::string(300, 'x') + "=drums"}}, "too long");
  EXPECT_THAT(
      [] {
        FilesOf({.preset = "4stem"}, {"vocals", "accompaniment"});
      },
      ThrowsMessage<Error>(HasSubstr("needs the stem 'drums'")));
}

// Gives two stems that are known, in blocks of other lengths than asked for.
class TwoStems : public SongSeparator {
 public:
  explicit TwoStems(std::int64_t frames) : left_(frames) {
    info_.sample_rate_hz = 8000;
    info_.channels = 2;
    info_.frames = frames;
  }
  const AudioInfo& info() const override { return info_; }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<Damage> damage() const override { return {}; }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const auto count = static_cast<std::size_t>(
        std::min<std::int64_t>(left_, static_cast<std::int64_t>(std::min<std::size_t>(frames, 7))));
    left_ -= static_cast<std::int64_t>(count);
    blocks.assign(2, std::vector<float>(2 * count));
    for (float& sample : blocks[0]) sample = 0.25f;
    for (float& sample : blocks[1]) sample = -0.5f;
    return count;
  }

 private:
  AudioInfo info_;
  std::vector<std::string> stems_ = {"a", "b"};
  std::int64_t left_;
};

// The song: a ramp, a frame shorter than its stems.
class Ramp : public AudioReader {
 public:
  explicit Ramp(std::int64_t frames) { info_.channels = 2, info_.frames = frames; }
  const AudioInfo& info() const override { return info_; }
  void Rewind() override { place_ = 0; }
  std::size_t Read(float* out, std::size_t frames) override {
    std::size_t count = 0;
    for (; count < std::min<std::size_t>(frames, 3) && place_ < info_.frames; ++count, ++place_)
      out[2 * count] = out[2 * count + 1] = static_cast<float>(place_);
    return count;
  }

 private:
  AudioInfo info_;
  std::int64_t place_ = 0;
};

TEST(StemMixes, AreSums) {
  const auto song = MixStems(
      std::make_unique<TwoStems>(20), std::make_unique<Ramp>(19),
      {{"sum", {{"a", 1}, {"b", 1}}}, {"b", {{"b", 1}}}, {"rest", {{kMixture, 1}, {"a", -2}}}});
  EXPECT_THAT(song->stems(), ElementsAre("sum", "b", "rest"));
  const auto stems = ReadAllStems(*song);
  ASSERT_EQ(stems.size(), 3u);
  for (std::size_t t = 0; t < 20; ++t) {
    EXPECT_EQ(stems[0].channel(1)[t], -0.25f);
    EXPECT_EQ(stems[1].channel(0)[t], -0.5f);
    EXPECT_EQ(stems[2].channel(1)[t], (t < 19 ? static_cast<float>(t) : 0.0f) - 0.5f);
  }
}

}  // namespace
}  // namespace stemsmith
