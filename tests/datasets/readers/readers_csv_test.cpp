// Tables of files.
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class Csv : public DatasetFixture {
 protected:
  Csv() : DatasetFixture("csv") {
    options_.root = root_ / "songs.csv";
    for (const char* file :
         {"a/drums.wav", "a/bass.wav", "a/mix.wav", "b/drums.wav", "b/bass.wav"}) {
      Touch(file);
    }
  }
  std::vector<Track> Table(const std::string& text) {
    Text("songs.csv", text);
    return Scan();
  }
  std::string Refused(const std::string& text) {
    return MessageOf([&] { Table(text); });
  }
};

TEST_F(Csv, ReadsStemsMixtureSplitAndName) {
  const std::vector<Track> tracks = Table(
      "name,split,mixture,drums,bass\n"
      "First,train,a/mix.wav,a/drums.wav,a/bass.wav\n"
      "Second,validation,,b/drums.wav,b/bass.wav\n");
  ASSERT_THAT(Names(tracks), ElementsAre("train/First", "valid/Second"));
  EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("drums", "bass"));
  EXPECT_EQ(tracks[0].sources[1].path, root_ / "a/bass.wav");
  EXPECT_EQ(tracks[0].mixture, root_ / "a/mix.wav");
  EXPECT_TRUE(tracks[1].mixture.empty());
  for (const Track& track : tracks) EXPECT_EQ(ProblemOf(track), "(no problem)");
}

TEST_F(Csv, NamesSongsByTheirFolderOrTheirFirstFile) {
  Touch("drums/one.wav");
  Touch("bass/another.wav");
  EXPECT_THAT(Names(Table("drums,bass\na/drums.wav,a/bass.wav\ndrums/one.wav,bass/another.wav\n")),
              ElementsAre("train/a", "train/one"));
}

TEST_F(Csv, FindsTheOneTableOfAFolder) {
  options_.root = root_.path();
  EXPECT_THAT(Names(Table("drums,bass\na/drums.wav,a/bass.wav\n")), ElementsAre("train/a"));
  Touch("other.csv");
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("several tables"));
}

TEST_F(Csv, TakesAnyLineEndsAByteOrderMarkAndOtherSeparators) {
  const std::vector<std::string> expected = {"train/a", "train/b"};
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    for (const std::string mark : {"", "\xEF\xBB\xBF"}) {
      for (const std::string separator : {",", ";", "\t"}) {
        const std::string text = mark + "drums" + separator + " bass" + end + "a/drums.wav" +
                                 separator + "a/bass.wav" + end + end + "b/drums.wav" + separator +
                                 " b/bass.wav ";
        const std::vector<Track> tracks = Table(text);
        ASSERT_EQ(Names(tracks), expected) << text;
        EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("drums", "bass"));
        for (const Track& track : tracks) EXPECT_EQ(ProblemOf(track), "(no problem)") << text;
      }
    }
  }
}

TEST_F(Csv, ReadsQuotesSpacesAndUnicode) {
  Touch("c, d/my \"drums\" żółć.wav");
  const std::vector<Track> tracks =
      Table("name,\"drums\"\n\"It's, \"\"so\"\"\",\"c, d/my \"\"drums\"\" żółć.wav\"\n");
  ASSERT_THAT(Names(tracks), ElementsAre("train/It's, \"so\""));
  EXPECT_EQ(ProblemOf(tracks[0]), "(no problem)");
  EXPECT_THAT(Refused("drums\n\"a/drums.wav\n"),
              AllOf(HasSubstr("quote is not closed"), HasSubstr("songs.csv:2")));
  EXPECT_THAT(Refused("drums,bass\n\"a/drums.wav\"x,a/bass.wav\n"),
              AllOf(HasSubstr("behind the closing quote"), HasSubstr("songs.csv:2")));
}

TEST_F(Csv, AFileThatIsMissingIsTheErrorOfThatSongWithItsLine) {
  fs::create_symlink(root_ / "loop.wav", root_ / "loop.wav");
  const std::vector<Track> tracks = Table(
      "name,drums,bass\nx,a/drums.wav,a/none.wav\ny,a/drums.wav,a/bass.wav\n"
      "z,loop.wav,a/bass.wav\n");
  EXPECT_THAT(ProblemOf(tracks.at(0)), AllOf(HasSubstr("file of \"bass\" is missing"),
                                             HasSubstr("none.wav"), HasSubstr("songs.csv:2")));
  EXPECT_EQ(ProblemOf(tracks.at(1)), "(no problem)");
  EXPECT_THAT(ProblemOf(tracks.at(2)), HasSubstr("songs.csv:4"));
}

TEST_F(Csv, RowsThatAreWrongAreTheErrorOfThatSong) {
  const std::vector<Track> tracks = Table(
      "name,split,drums,bass\n1,train,a/drums.wav\n2,trian,a/drums.wav,\n3,train,,\n"
      "4,test,a/drums.wav,\n4,train,b/drums.wav,\n5/6,train,b/drums.wav,\n");
  ASSERT_EQ(tracks.size(), 6u);
  EXPECT_THAT(Names(tracks),
              ElementsAre("test/4", "train/1", "train/2", "train/3", "train/4", "train/5/6"));
  EXPECT_EQ(ProblemOf(tracks[0]), "(no problem)");
  EXPECT_THAT(ProblemOf(tracks[1]), HasSubstr("has 3 cells, not 4"));
  EXPECT_THAT(ProblemOf(tracks[2]), HasSubstr("\"trian\" is no split"));
  EXPECT_THAT(ProblemOf(tracks[3]), HasSubstr("names no file"));
  EXPECT_THAT(ProblemOf(tracks[4]), HasSubstr("two songs are called \"4\""));
  EXPECT_THAT(ProblemOf(tracks[5]), HasSubstr("no name for a file"));
}

TEST_F(Csv, RefusesTablesThatAreNone) {
  EXPECT_THAT(Refused(""), HasSubstr("the table is empty"));
  EXPECT_THAT(Refused("drums,bass\n"), HasSubstr("no songs found"));
  EXPECT_THAT(Refused("name,split,mixture\nx,train,a/mix.wav\n"), HasSubstr("no column is a stem"));
  EXPECT_THAT(Refused("drums,drums\na/drums.wav,a/drums.wav\n"), HasSubstr("two columns"));
  EXPECT_THAT(Refused("a/drums.wav,a/bass.wav\n"), HasSubstr("cannot be called \"a/drums.wav\""));
  EXPECT_THAT(Refused("drums,,bass\na/drums.wav,x,a/bass.wav\n"),
              HasSubstr("column 2 has no name"));
  EXPECT_THAT(Refused(std::string("dru\0ms\n", 7)), HasSubstr("zero bytes"));
  options_.root = root_ / "a";
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("a folder without a table"));
  options_.root = root_ / "none.csv";
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("no such file"));
}

TEST_F(Csv, PreparesFilesBesideAndOutsideItsFolderAndKeepsThem) {
  Audio("a/drums.wav", Noise(1, 5000, 2));
  Audio("a/bass.wav", Noise(2, 5000, 2));
  Text("tables/songs.csv", "name,drums,bass,click\nsong,../a/drums.wav," +
                               (root_ / "a/bass.wav").string() + ",../a/drums.wav\n");
  options_.root = root_ / "tables/songs.csv";
  const PrepareResult first = Prepare();
  ASSERT_TRUE(first.failures.empty()) << first.failures[0].error.what();
  EXPECT_EQ(Stem("song", "drums"), Samples(Noise(1, 5000, 2)));
  EXPECT_EQ(Stem("song", "bass"), Samples(Noise(2, 5000, 2)));
  EXPECT_EQ(Stem("song", "click"), Samples(Noise(1, 5000, 2)));  // one file in two columns
  EXPECT_EQ(Prepare().kept, 1u);
  Audio("a/bass.wav", Noise(3, 6000, 2));
  Audio("a/drums.wav", Noise(4, 6000, 2));
  EXPECT_THAT(MessageOf([&] { CacheReader(out_ / "cache.h5"); }), HasSubstr("song"));
  EXPECT_EQ(Prepare().made, 1u);
}

}  // namespace
}  // namespace stemsmith
