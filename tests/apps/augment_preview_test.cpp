// `stemsmith augment-preview` as a user types it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "audio/decode.h"
#include "core/files.h"
#include "tests/apps/songs_and_cache.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;
using testing::kStemsmith;
using testing::ProgramResult;
using testing::RunProgram;

const std::string kStems[] = {"drums", "bass", "other", "vocals"};

class AugmentPreview : public testing::SongsAndCache {
 protected:
  static std::string Preview(const std::string& yaml, const std::string& more) {
    WriteFileAtomically(Path("augment.yaml"), yaml);
    return kStemsmith + " augment-preview " + Path("augment.yaml") + " " + Path("cache.h5") +
           " -o " + Path("out") + " --seconds 1 " + more;
  }
  static AudioBuffer Read(const std::string& name) {
    return ReadAll(*OpenAudio(Path("out") + "/" + name));
  }
};

TEST_F(AugmentPreview, WritesEachStemBeforeAndAfterWithAPicture) {
  // A training configuration: only its list is looked at.
  const ProgramResult result =
      Must(Preview("dataset: {cache: nowhere.h5}\n"
                   "augment: [{name: polarity, per_stem_probability: 1}]\n"
                   "model: {name: no_such_model}\n",
                   "--samples 2 --json"));
  const auto fields = nlohmann::json::parse(result.out);
  ASSERT_EQ(fields["samples"].size(), 2u);
  for (const std::string sample : {"sample_1/", "sample_2/"}) {
    std::vector<float> sum;
    for (const std::string& stem : kStems) {
      const AudioBuffer before = Read(sample + stem + "_before.wav");
      const AudioBuffer after = Read(sample + stem + "_after.wav");
      ASSERT_EQ(before.frames(), 44100u);
      sum.resize(after.samples().size());
      for (std::size_t i = 0; i < sum.size(); ++i) {
        ASSERT_EQ(after.samples()[i], -before.samples()[i]);
        sum[i] += after.samples()[i];
      }
      EXPECT_THAT(ReadFile(Path("out") + "/" + sample + stem + ".png"), HasSubstr("PNG"));
    }
    const AudioBuffer mixture = Read(sample + "mixture_after.wav");
    for (std::size_t i = 0; i < sum.size(); ++i) ASSERT_NEAR(mixture.samples()[i], sum[i], 1e-6f);
  }
  const auto& stems = fields["samples"][0]["stems"];
  EXPECT_EQ(stems["drums"]["before_rms_db"], stems["drums"]["after_rms_db"]);
}

TEST_F(AugmentPreview, TakesSettingsAndTheShippedPresets) {
  const std::string preset = STEMSMITH_SOURCE_DIR "/configs/augment/open-unmix.yaml";
  Must(kStemsmith + " augment-preview " + preset + " " + Path("cache.h5") + " -o " + Path("out") +
       " --samples 1 --seconds 1 --set augment.0.probability=0 augment.1.probability=0"
       " augment.2.probability=0");
  const AudioBuffer before = Read("sample_1/bass_before.wav");
  const AudioBuffer after = Read("sample_1/bass_after.wav");
  EXPECT_TRUE(std::ranges::equal(before.samples(), after.samples()));
}

TEST_F(AugmentPreview, SaysWhatIsWrongWithTheList) {
  ProgramResult result = RunProgram(Preview("model: {name: unet}\n", ""));
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("augment"));
  result = RunProgram(Preview("augment: [{name: gain, rnge_db: [0, 1]}]\n", ""));
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("range_db"));
  result = RunProgram(Preview("augment: [{name: gain}]\n", "--split nowhere"));
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("nowhere"));
}

}  // namespace
}  // namespace stemsmith
