// Folders of songs.
#include <fstream>

#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class FoldersReader : public DatasetFixture {
 protected:
  FoldersReader() : DatasetFixture("folders") {}
  std::vector<Track> Scan(double valid_fraction = 0, std::uint64_t seed = 0) {
    return ScanDataset("folders", {root_.path(), valid_fraction, seed});
  }
};

TEST_F(FoldersReader, FindsSongsAndStemsInSplitFolders) {
  Touch("train/b/drums.wav");
  Touch("train/b/bass.flac");
  Touch("train/b/mixture.wav");
  Touch("train/a/drums.ogg");
  Touch("valid/c/Vocals.mp3");
  Touch("test/d/x.m4a");
  const std::vector<Track> tracks = Scan();
  EXPECT_THAT(Names(tracks), ElementsAre("test/d", "train/a", "train/b", "valid/c"));
  EXPECT_THAT(SourceNames(tracks[2]), ElementsAre("bass", "drums"));
  EXPECT_EQ(tracks[2].mixture, root_ / "train/b/mixture.wav");
  EXPECT_THAT(SourceNames(tracks[3]), ElementsAre("Vocals"));
  for (const Track& track : tracks) EXPECT_FALSE(track.problem) << track.problem->what();
}

TEST_F(FoldersReader, TakesSongsWithoutSplitFoldersAsTraining) {
  Touch("one/drums.wav");
  Touch("two/drums.wav");
  EXPECT_THAT(Names(Scan()), ElementsAre("train/one", "train/two"));
}

TEST_F(FoldersReader, ASongCalledTestIsASong) {
  Touch("test/drums.wav");
  Touch("other/drums.wav");
  EXPECT_THAT(Names(Scan()), ElementsAre("train/other", "train/test"));
}

TEST_F(FoldersReader, SplitsByTheHashOfTheNameSoThatNewSongsMoveNoOldOnes) {
  for (int i = 0; i < 40; ++i) Touch("song " + std::to_string(i) + "/a.wav");
  const auto valid = [&](std::uint64_t seed) {
    std::vector<std::string> names;
    for (const Track& track : Scan(0.25, seed)) {
      if (track.split == "valid") names.push_back(track.name);
    }
    return names;
  };
  const std::vector<std::string> before = valid(1);
  EXPECT_GE(before.size(), 4u);
  EXPECT_LE(before.size(), 18u);
  EXPECT_EQ(before, valid(1));
  EXPECT_NE(before, valid(2));
  for (int i = 40; i < 80; ++i) Touch("song " + std::to_string(i) + "/a.wav");
  const std::vector<std::string> after = valid(1);
  for (const std::string& name : before) EXPECT_THAT(after, ::testing::Contains(name));
}

TEST_F(FoldersReader, GivesAtLeastOneSongToValidation) {
  Touch("one/a.wav");
  Touch("two/a.wav");
  Touch("three/a.wav");
  int valid = 0;
  for (const Track& track : Scan(0.001)) valid += track.split == "valid";
  EXPECT_EQ(valid, 1);
}

TEST_F(FoldersReader, RefusesAShareForValidationBesideAFolderValid) {
  Touch("train/a/x.wav");
  Touch("valid/b/x.wav");
  EXPECT_THAT(MessageOf([&] { Scan(0.5); }), HasSubstr("contradicts"));
}

TEST_F(FoldersReader, PassesOverHiddenFilesOtherFilesAndFoldersWithoutAudio) {
  Touch("song/drums.wav");
  Touch("song/.hidden.wav");
  Touch("song/notes.txt");
  Touch("song/cover.jpg");
  Touch("song/takes/old.wav");
  Touch(".git/drums.wav");
  Touch("papers/readme.md");
  const std::vector<Track> tracks = Scan();
  ASSERT_THAT(Names(tracks), ElementsAre("train/song"));
  EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("drums"));
}

TEST_F(FoldersReader, ReservesMixtureAndMixInAnyCase) {
  for (const char* name : {"mixture", "mix", "Mixture", "MIX"}) {
    TemporaryFolder root;
    fs::create_directories(root / "song");
    std::ofstream(root / "song" / (std::string(name) + ".wav")) << "x";
    std::ofstream(root / "song" / "a.wav") << "x";
    const std::vector<Track> tracks = ScanDataset("folders", {root.path()});
    EXPECT_THAT(SourceNames(tracks.at(0)), ElementsAre("a")) << name;
    EXPECT_FALSE(tracks[0].mixture.empty());
  }
}

TEST_F(FoldersReader, KeepsSpacesUnicodeAndQuotesInNames) {
  Touch("it's a \"song\" — żółć 日本/lead & backing vocals.wav");
  const std::vector<Track> tracks = Scan();
  EXPECT_EQ(tracks.at(0).name, "it's a \"song\" — żółć 日本");
  EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("lead & backing vocals"));
  EXPECT_FALSE(tracks[0].problem);
}

TEST_F(FoldersReader, NamesThatAreNoUtf8AreAProblemOfThatSongOnly) {
  Touch("good/a.wav");
  Touch("bad\xE4/a.wav");
  const std::vector<Track> tracks = Scan();
  ASSERT_THAT(Names(tracks), ElementsAre("train/bad\\xE4", "train/good"));
  ASSERT_TRUE(tracks[0].problem);
  EXPECT_THAT(tracks[0].problem->what(), HasSubstr("not UTF-8"));
  EXPECT_FALSE(tracks[1].problem);
}

TEST_F(FoldersReader, TwoFilesOfOneStemAreAProblemOfThatSong) {
  Touch("song/drums.wav");
  Touch("song/drums.flac");
  const std::vector<Track> tracks = Scan();
  ASSERT_TRUE(tracks.at(0).problem);
  EXPECT_THAT(tracks[0].problem->what(),
              HasSubstr("two files for the stem \"drums\" of song \"song\""));
}

TEST_F(FoldersReader, TwoSongsOfOneNameAreAProblemOfTheSecond) {
  Touch("train/song/a.wav");
  Touch("test/song/a.wav");
  const std::vector<Track> tracks = Scan();
  ASSERT_EQ(tracks.size(), 2u);
  EXPECT_FALSE(tracks[0].problem);
  ASSERT_TRUE(tracks[1].problem);
  EXPECT_THAT(tracks[1].problem->what(), HasSubstr("two songs are called \"song\""));
}

TEST_F(FoldersReader, SurvivesLinksThatGoInCircles) {
  Touch("song/drums.wav");
  fs::create_directory_symlink(root_.path(), root_ / "song/up");
  fs::create_directory_symlink(root_ / "loop", root_ / "loop");
  fs::create_symlink(root_ / "song/self.wav", root_ / "song/self.wav");
  fs::create_symlink(root_ / "nowhere.wav", root_ / "song/dangling.wav");
  const std::vector<Track> tracks = Scan();
  ASSERT_THAT(Names(tracks), ElementsAre("train/song"));
  EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("drums"));
}

TEST_F(FoldersReader, TakesSplitsFromAList) {
  for (const char* song : {"a", "b", "c", "d"}) Touch(std::string(song) + "/x.wav");
  const auto scan = [&](const std::string& list) {
    std::ofstream(root_ / "list.yaml") << list;
    ReaderOptions options;
    options.root = root_.path();
    options.splits = root_ / "list.yaml";
    return ScanDataset("folders", options);
  };
  EXPECT_THAT(Names(scan("train: [a]\nvalidation: [c]\ntest: [b, d]\n")),
              ElementsAre("test/b", "test/d", "train/a", "valid/c"));
  EXPECT_THAT(Names(scan("{\"train\": [\"a\"], \"valid\": [\"c\"]}")),
              ElementsAre("train/a", "valid/c"));  // what it does not name is left out
  const auto refuse = [&](const std::string& list) { return MessageOf([&] { scan(list); }); };
  EXPECT_THAT(refuse("train: [a]\nvalid: [a]\n"), HasSubstr("\"a\" is named twice"));
  EXPECT_THAT(refuse("train: [a, none]\n"), HasSubstr("\"none\", which is not there"));
  EXPECT_THAT(refuse("trian: [a]\n"), HasSubstr("\"trian\" is no split"));
  EXPECT_THAT(refuse("- a\n"), HasSubstr("not a list of splits"));
  EXPECT_THAT(refuse("train: []\n"), HasSubstr("names no song"));
  EXPECT_THAT(refuse("train: a\n"), HasSubstr("must be a list"));
  ReaderOptions both;
  both.root = root_.path();
  both.splits = root_ / "list.yaml";
  both.valid_fraction = 0.5;
  EXPECT_THAT(MessageOf([&] { ScanDataset("folders", both); }), HasSubstr("contradicts"));
}

TEST_F(FoldersReader, SaysWhatItLookedForWhereThereIsNoSong) {
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("no songs found"));
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("<song>/<stem>"));
  EXPECT_THAT(MessageOf([&] { ScanDataset("folders", {root_ / "none"}); }),
              HasSubstr("no such folder"));
  Touch("a file");
  EXPECT_THAT(MessageOf([&] { ScanDataset("folders", {root_ / "a file"}); }),
              HasSubstr("not a folder"));
}

TEST(ReaderTableTest, HasAConfigurationForEveryKind) {
  for (const ReaderRow& row : ReaderTable()) {
    const fs::path file =
        fs::path(STEMSMITH_SOURCE_DIR) / "configs/datasets" / (std::string(row.name) + ".yaml");
    const Config config = Config::Load(file);
    EXPECT_THAT(config.Child("dataset").RequiredString("cache"), HasSubstr(row.name));
    config.Child("dataset").Number("segment_seconds", 0);
    EXPECT_FALSE(AugmentChain(config.List("augment")).empty());
    config.CheckAllRead();
    EXPECT_THAT(ReadFile(file), HasSubstr("stemsmith prepare " + std::string(row.name) + " "));
  }
}

TEST(ReaderTableTest, NamesTheNearestKindForAnUnknownOne) {
  EXPECT_THAT(MessageOf([] { ScanDataset("folder", {"/"}); }), HasSubstr("did you mean 'folders'"));
}

}  // namespace
}  // namespace stemsmith
