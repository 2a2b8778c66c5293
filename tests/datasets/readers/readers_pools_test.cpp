// Unrelated takes per stem.
#include <set>

#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class StemPools : public DatasetFixture {
 protected:
  StemPools() : DatasetFixture("stem_pools") {}
  static std::set<std::string> FilesOf(const std::vector<Track>& tracks, const std::string& split) {
    std::set<std::string> files;
    for (const Track& track : tracks) {
      if (track.split != split) continue;
      for (const SourceStem& source : track.sources) files.insert(source.path.string());
    }
    return files;
  }
};

TEST_F(StemPools, LinesTakesUpSoThatEverySongHasEveryStem) {
  for (int i = 0; i < 5; ++i) Touch("drums/take " + std::to_string(i) + ".wav");
  Touch("bass/a.flac");
  Touch("bass/b \"x\".ogg");
  Touch("bass/notes.txt");
  const std::vector<Track> tracks = Scan();
  ASSERT_EQ(tracks.size(), 5u);
  std::set<fs::path> drums, bass;
  for (const Track& track : tracks) {
    EXPECT_EQ(track.split, "train");
    EXPECT_TRUE(track.unrelated_takes);
    ASSERT_THAT(SourceNames(track), ElementsAre("bass", "drums"));
    bass.insert(track.sources[0].path);
    drums.insert(track.sources[1].path);
  }
  EXPECT_EQ(drums.size(), 5u);
  EXPECT_EQ(bass.size(), 2u);
}

TEST_F(StemPools, TakesOfTheSameNameAreNotLinedUpByIt) {
  for (const char* stem : {"drums", "bass"}) {
    for (int i = 0; i < 20; ++i) Touch(std::string(stem) + "/" + std::to_string(i) + ".wav");
  }
  int together = 0;
  for (const Track& track : Scan()) {
    together += track.sources[0].path.filename() == track.sources[1].path.filename();
  }
  EXPECT_LT(together, 10);
}

TEST_F(StemPools, NoTakeIsInTrainingAndInValidation) {
  for (const char* stem : {"drums", "bass"}) {
    for (int i = 0; i < 10; ++i) Touch(std::string(stem) + "/" + std::to_string(i) + ".wav");
  }
  options_.valid_fraction = 0.2;
  const std::vector<Track> tracks = Scan();
  const std::set<std::string> train = FilesOf(tracks, "train"), valid = FilesOf(tracks, "valid");
  EXPECT_EQ(train.size() + valid.size(), 20u);
  EXPECT_GE(valid.size(), 2u);
  for (const std::string& file : valid) EXPECT_FALSE(train.contains(file)) << file;
  Touch("voice/only.wav");
  EXPECT_THAT(MessageOf([&] { Scan(); }), AllOf(HasSubstr("\"voice\""), HasSubstr("too few")));
}

TEST_F(StemPools, ReadsSplitFolders) {
  Touch("train/drums/a.wav");
  Touch("valid/drums/b.wav");
  Touch("test/drums/c.wav");
  EXPECT_THAT(Names(Scan()),
              ElementsAre("test/test 00001", "train/train 00001", "valid/valid 00001"));
  options_.valid_fraction = 0.5;
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("contradicts"));
}

TEST_F(StemPools, RefusesAPoolOfMixturesListsAndEmptyFolders) {
  EXPECT_THAT(MessageOf([&] { Scan(); }),
              AllOf(HasSubstr("no takes found"), HasSubstr("<stem>/<take>")));
  fs::create_directory_symlink(root_ / "loop", root_ / "loop");
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("no takes found"));
  Touch("drums/a.wav");
  Touch("mixture/a.wav");
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("cannot be called \"mixture\""));
  options_.splits = root_ / "list.yaml";
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("no songs to list"));
}

TEST_F(StemPools, ShortTakesStartOverUntilTheLongestEnds) {
  constexpr std::size_t kLong = 40'000, kShort = 15'007;  // more than a block and less
  Audio("drums/a.wav", Noise(1, kLong, 2));
  Audio("bass/a.wav", Noise(2, kShort, 2));
  const PrepareResult result = Prepare();
  ASSERT_TRUE(result.failures.empty()) << result.failures[0].error.what();
  EXPECT_EQ(Stem("train 00001", "drums"), Samples(Noise(1, kLong, 2)));
  const std::vector<float> bass = Stem("train 00001", "bass");
  ASSERT_EQ(bass.size(), 2 * kLong);
  const AudioBuffer take = Noise(2, kShort, 2);
  for (std::size_t t = 0; t < kLong; ++t) {
    ASSERT_EQ(bass[t], take.channel(0)[t % kShort]) << t;
    ASSERT_EQ(bass[kLong + t], take.channel(1)[t % kShort]) << t;
  }
}

}  // namespace
}  // namespace stemsmith
