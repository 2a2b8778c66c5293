// Tables as spreadsheets and other tools write them.
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class CsvHabits : public DatasetFixture {
 protected:
  CsvHabits() : DatasetFixture("csv") {
    options_.root = root_ / "songs.csv";
    for (const char* song : {"a", "b"}) {
      for (const char* file : {"mixture", "vocals", "drums", "bass", "other"}) {
        Touch(std::string("train/") + song + "/" + file + ".wav");
      }
    }
  }
  std::vector<Track> Table(const std::string& text) {
    Text("songs.csv", text);
    std::vector<Track> tracks = ScanDataset(kind_, options_, &unused_);
    for (const Track& track : tracks) EXPECT_EQ(ProblemOf(track), "(no problem)") << text;
    return tracks;
  }
  std::vector<std::string> UnusedColumns() const {
    return unused_.empty() ? std::vector<std::string>{} : unused_.front().names;
  }
  std::vector<UnusedThings> unused_;
};

TEST_F(CsvHabits, ReadsExcelsLineThatNamesTheSeparator) {
  for (const std::string head :
       {"sep=;\r\n", "\xEF\xBB\xBFsep=;\r\n", "\"sep=;\"\n", "SEP=;\n", "sep=;;;\r\n"}) {
    const std::vector<Track> tracks =
        Table(head + "name;vocals, lead;drums\r\nX;train/a/vocals.wav;train/a/drums.wav\r\n");
    ASSERT_THAT(Names(tracks), ElementsAre("train/X")) << head;
    EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("vocals, lead", "drums"));
  }
  EXPECT_THAT(
      SourceNames(Table("sep=\t\nvocals\tdrums\ntrain/a/vocals.wav\ttrain/a/drums.wav\n")[0]),
      ElementsAre("vocals", "drums"));
  // A file that is missing is named with the line that an editor shows.
  Text("songs.csv", "sep=;\nvocals;drums\ntrain/a/none.wav;train/a/drums.wav\n");
  EXPECT_THAT(ProblemOf(Scan().at(0)), HasSubstr("songs.csv:3"));
}

TEST_F(CsvHabits, TakesTheSeparatorThatTheFirstLineHasMostOf) {
  EXPECT_THAT(
      SourceNames(Table("name;\"bass, sub\";drums\nX;train/a/bass.wav;train/a/drums.wav\n")[0]),
      ElementsAre("bass, sub", "drums"));
  EXPECT_THAT(SourceNames(Table("\n\nvocals\tdrums\ntrain/a/vocals.wav\ttrain/a/drums.wav\n")[0]),
              ElementsAre("vocals", "drums"));
}

TEST_F(CsvHabits, PassesOverBlankRowsAndColumns) {
  for (const std::string text :
       {"name,vocals,drums,,\nX,train/a/vocals.wav,train/a/drums.wav,,\n,,,,\n,,,,\n",
        ",,\nname,vocals,drums\nX,train/a/vocals.wav,train/a/drums.wav\n\n , ,\n",
        "name,vocals,drums\nX,train/a/vocals.wav,train/a/drums.wav,,,\n\n",
        "name,,vocals,drums, \nX,,train/a/vocals.wav,train/a/drums.wav,\n\"\",\"\",,,\n"}) {
    const std::vector<Track> tracks = Table(text);
    ASSERT_THAT(Names(tracks), ElementsAre("train/X")) << text;
    EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("vocals", "drums")) << text;
  }
}

TEST_F(CsvHabits, ReadsCapitalisedNamesAndSplits) {
  const std::vector<Track> tracks = Table(
      "Name,Split,Mixture,Vocals\nX,Train,train/a/mixture.wav,train/a/vocals.wav\n"
      "Y,VAL,,train/b/vocals.wav\n");
  EXPECT_THAT(Names(tracks), ElementsAre("train/X", "valid/Y"));
  EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("Vocals"));
  EXPECT_EQ(tracks[0].mixture, root_ / "train/a/mixture.wav");
  EXPECT_THAT(Names(Table("NAME,subset,vocals\nX,Dev,train/a/vocals.wav\n")),
              ElementsAre("valid/X"));
  EXPECT_THAT(Names(Table("\"Title\", SET ,vocals\nX,eval,train/a/vocals.wav\n")),
              ElementsAre("test/X"));
}

TEST_F(CsvHabits, ReadsTablesOfSpleeter) {
  const std::vector<Track> tracks = Table(
      "mix_path,vocals_path,drums_path,bass_path,other_path,duration\n"
      "train/a/mixture.wav,train/a/vocals.wav,train/a/drums.wav,train/a/bass.wav,"
      "train/a/other.wav,171.2\n"
      "train/b/mixture.wav,train/b/vocals.wav,train/b/drums.wav,train/b/bass.wav,"
      "train/b/other.wav,222.0\n");
  ASSERT_THAT(Names(tracks), ElementsAre("train/a", "train/b"));
  EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("vocals", "drums", "bass", "other"));
  EXPECT_EQ(tracks[1].mixture, root_ / "train/b/mixture.wav");
  EXPECT_THAT(UnusedColumns(), ElementsAre("duration"));
  EXPECT_THAT(SourceNames(Table("Mixture File,Vocals file,drums.path\n"
                                "train/a/mixture.wav,train/a/vocals.wav,train/a/drums.wav\n")[0]),
              ElementsAre("Vocals", "drums"));
}

TEST_F(CsvHabits, ColumnsThatNameNoFilesArePassedOverAndNamed) {
  Table("name,artist,BPM,vocals,licence,mood\nX,A. Nother,120.5,train/a/vocals.wav,CC-BY,\n");
  EXPECT_THAT(UnusedColumns(), ElementsAre("BPM", "artist", "licence"));
  EXPECT_THAT(unused_.front().what, HasSubstr("3 columns name no files and are passed over"));
  Table("name,title,vocals,sample rate\nX,Some Title,train/a/vocals.wav,44100\n");
  EXPECT_THAT(UnusedColumns(), ElementsAre("sample rate", "title"));
  // A stem whose files are missing stays a stem.
  Text("songs.csv", "name,vocals\nX,train/a/vocal.wav\n");
  EXPECT_THAT(ProblemOf(Scan().at(0)), HasSubstr("the file of \"vocals\" is missing"));
}

TEST_F(CsvHabits, ReadsPathsOfWindows) {
  const std::vector<Track> tracks =
      Table("mixture,vocals\ntrain\\a\\mixture.wav,train\\a\\vocals.wav\n");
  EXPECT_EQ(tracks.at(0).sources.at(0).path, root_ / "train/a/vocals.wav");
  EXPECT_EQ(tracks[0].mixture, root_ / "train/a/mixture.wav");
}

TEST_F(CsvHabits, SaysWhatToChangeWhereATableCannotBeRead) {
  Text("songs.csv", std::string("\xFF\xFEn\0a\0m\0e\0", 10));
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("save it as CSV in UTF-8"));
  Text("songs.csv", "vocals,vocals_path\ntrain/a/vocals.wav,train/b/vocals.wav\n");
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("two columns are called \"vocals\""));
  Text("songs.csv", "drums.wav,vocals.wav\n");
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("the first line names the columns"));
  Text("songs.csv", "vocals\nlied\xE4.wav\n");
  EXPECT_THAT(ProblemOf(Scan().at(0)), HasSubstr("save the table as UTF-8"));
}

}  // namespace
}  // namespace stemsmith
