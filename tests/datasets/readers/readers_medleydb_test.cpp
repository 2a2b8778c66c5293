// MedleyDB. The metadata below are written after the published ones, github.com/marl/medleydb.
#include "datasets/doctor/doctor.h"
#include "datasets/recipes/recipe.h"
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
namespace fs = std::filesystem;

constexpr char kSong[] = "ArtistName_SongTitle";

std::string StemText(const std::string& number, const std::string& instrument,
                     const std::string& component = "''", const std::string& song = kSong) {
  return "  S" + number + ":\n    component: " + component + "\n    filename: " + song + "_STEM_" +
         number + ".wav\n    instrument: " + instrument + "\n    raw:\n      R01:\n" +
         "        filename: " + song + "_RAW_" + number +
         "_01.wav\n        instrument: " + instrument + "\n";
}

std::string Head(const std::string& song = kSong) {
  return "album: ''\nartist: Artist Name\nexcerpt: 'no'\nhas_bleed: 'no'\nmix_filename: " + song +
         "_MIX.wav\nraw_dir: " + song + "_RAW\nstem_dir: " + song +
         "_STEMS\ntitle: Song Title\nversion: 1.2\nstems:\n";
}

class MedleyDb : public DatasetFixture {
 protected:
  MedleyDb() : DatasetFixture("medleydb") {}

  std::string Stems(const std::string& song) {
    return StemText("01", "electric bass", "bass", song) + StemText("02", "drum set", "''", song) +
           StemText("03", "[male singer, vocalists]", "melody", song);
  }
  void Files(const std::string& folder, const std::string& song) {
    const std::string start = folder + "/" + song + "/" + song;
    Touch(start + "_MIX.wav");
    for (const char* number : {"01", "02", "03"}) {
      Touch(start + "_STEMS/" + song + "_STEM_" + number + ".wav");
      Touch(start + "_RAW/" + song + "_RAW_" + number + "_01.wav");
    }
  }
  std::string ProblemWith(const std::string& metadata) {
    Files("Audio", kSong);
    Text("Metadata/" + std::string(kSong) + "_METADATA.yaml", metadata);
    return ProblemOf(Scan().at(0));
  }
};

TEST_F(MedleyDb, ReadsStemsWithTheirInstruments) {
  ASSERT_EQ(ProblemWith(Head() + Stems(kSong)), "(no problem)");
  const std::vector<Track> tracks = Scan();
  ASSERT_THAT(Names(tracks), ElementsAre("train/ArtistName_SongTitle"));
  const Track& track = tracks[0];
  const fs::path song = root_ / "Audio" / kSong;
  EXPECT_EQ(track.mixture, song / "ArtistName_SongTitle_MIX.wav");
  ASSERT_THAT(SourceNames(track), ElementsAre("S01", "S02", "S03"));
  EXPECT_EQ(track.sources[1].path,
            song / "ArtistName_SongTitle_STEMS/ArtistName_SongTitle_STEM_02.wav");
  EXPECT_THAT(track.sources[0].attributes,
              ElementsAre(Pair("instrument", "electric bass"), Pair("component", "bass")));
  EXPECT_THAT(track.sources[1].attributes, ElementsAre(Pair("instrument", "drum set")));
  EXPECT_THAT(track.sources[2].attributes,
              ElementsAre(Pair("instrument", "male singer"), Pair("instrument", "vocalists"),
                          Pair("component", "melody")));
}

TEST_F(MedleyDb, MetadataLieBesideTheAudioOrWhereTheOptionSays) {
  TemporaryFolder apart;
  const std::string file = std::string(kSong) + "_METADATA.yaml";
  Files(".", kSong);
  EXPECT_THAT(ProblemOf(Scan().at(0)),
              AllOf(HasSubstr(file + " is missing"), HasSubstr("marl/medleydb")));
  for (const std::string& place :
       {kSong + std::string("/"), std::string(), std::string("Metadata/")}) {
    Text(place + file, Head() + Stems(kSong));
    EXPECT_EQ(ProblemOf(Scan().at(0)), "(no problem)") << place;
    fs::remove(root_ / (place + file));
  }
  options_.metadata = apart.path();
  EXPECT_THAT(ProblemOf(Scan().at(0)), HasSubstr(apart.path().string()));
  WriteFileAtomically(apart / file, Head() + Stems(kSong));
  WriteFileAtomically(apart / "Nobody_HasThis_METADATA.yaml", "[");
  EXPECT_EQ(ProblemOf(Scan().at(0)), "(no problem)");
  options_.metadata = root_ / "nowhere";
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("no such folder"));
}

TEST_F(MedleyDb, MetadataThatCannotBeUsedAreTheErrorOfThatSong) {
  EXPECT_THAT(ProblemWith("stems: [\x01 {"), HasSubstr("not valid YAML"));
  EXPECT_THAT(ProblemWith("just words"), HasSubstr("no map of keys"));
  EXPECT_THAT(ProblemWith("album: x\n"), HasSubstr("'stem_dir' is missing"));
  EXPECT_THAT(ProblemWith(Head()), HasSubstr("'stems' is missing"));
  EXPECT_THAT(ProblemWith(Head() + "  - S01\n"), HasSubstr("no map of stems"));
  EXPECT_THAT(ProblemWith(Head() + "  S01: 3\n"), HasSubstr("must be a map of keys"));
  EXPECT_THAT(ProblemWith(Head() + "  S01: {instrument: piano}\n"),
              HasSubstr("'filename' is missing"));
  EXPECT_THAT(ProblemWith(Head() + "  S01: {filename: x.wav, instrument: {a: b}}\n"),
              AnyOf(HasSubstr("'instrument'"), HasSubstr("audio of stem S01 is missing")));
  EXPECT_THAT(ProblemWith(Head() + StemText("01", "piano") + StemText("01", "piano")),
              HasSubstr("stands twice"));
  EXPECT_THAT(ProblemWith(Head() + StemText("01", "piano") +
                          "  S02: {filename: ArtistName_SongTitle_STEM_01.wav}\n"),
              HasSubstr("the stems S01 and S02 are one file"));
  EXPECT_THAT(ProblemWith(Head() + StemText("09", "piano")),
              AllOf(HasSubstr("the audio of stem S09 is missing"), HasSubstr("STEM_09.wav")));
  for (const char* name : {"../x.wav", "/tmp/x.wav", "..", "''"}) {
    EXPECT_THAT(ProblemWith(Head() + "  S01: {filename: " + name + "}\n"),
                HasSubstr("is not the name of a file in the song's folder"))
        << name;
  }
  std::string outside = Head() + Stems(kSong);
  outside.replace(outside.find("stem_dir: "), 10, "stem_dir: ../");
  EXPECT_THAT(ProblemWith(outside), HasSubstr("is not the name of a file"));
}

// What the published metadata have, and what nobody needs.
TEST_F(MedleyDb, UnknownInstrumentsMissingKeysMixturesAndRawRecordingsAreNoProblem) {
  EXPECT_EQ(ProblemWith(Head() + StemText("01", "woodwind section")), "(no problem)");
  EXPECT_EQ(ProblemWith(Head() + "  S01: {filename: ArtistName_SongTitle_STEM_01.wav}\n"),
            "(no problem)");
  fs::remove(root_ / "Audio" / kSong / "ArtistName_SongTitle_MIX.wav");
  fs::remove_all(root_ / "Audio" / kSong / "ArtistName_SongTitle_RAW");
  const Track track = Scan().at(0);
  EXPECT_EQ(ProblemOf(track), "(no problem)");
  EXPECT_TRUE(track.mixture.empty());
}

TEST_F(MedleyDb, SongsLieInRootAndInFoldersOfRootAndWhatIsNotUsedIsNamed) {
  for (const char* name : {"A_One", "B_Two", "C_Three"}) {
    Text("Metadata/" + std::string(name) + "_METADATA.yaml", Head(name) + Stems(name));
  }
  Files(".", "A_One");
  Files("V1", "B_Two");
  Files("test", "C_Three");
  Files("V2", "B_Two");
  Touch("V1/B_Two/B_Two_STEMS/bounce.wav");
  Touch("V1/B_Two/guide.wav");
  std::vector<UnusedThings> unused;
  const std::vector<Track> tracks = ScanDataset(kind_, options_, &unused);
  ASSERT_THAT(Names(tracks),
              ElementsAre("test/C_Three", "train/A_One", "train/B_Two", "train/B_Two"));
  EXPECT_EQ(ProblemOf(tracks[2]), "(no problem)");
  EXPECT_THAT(ProblemOf(tracks[3]), HasSubstr("two songs are called \"B_Two\""));
  ASSERT_EQ(unused.size(), 1u);
  EXPECT_THAT(unused[0].names,
              ElementsAre("V1/B_Two/B_Two_STEMS/bounce.wav", "V1/B_Two/guide.wav"));
}

TEST_F(MedleyDb, SaysWhatItLookedForWhereThereIsNoSong) {
  Touch("song/drums.wav");
  EXPECT_THAT(MessageOf([&] { Scan(); }),
              AllOf(HasSubstr("no songs found"), HasSubstr("<song>_STEMS")));
}

// Of stems in which several instruments play.
TEST_F(MedleyDb, RecipesTakeAStemWhereAllThatPlaysInItIsMeant) {
  ASSERT_EQ(ProblemWith(Head() + Stems(kSong)), "(no problem)");
  const Track track = Scan().at(0);
  const auto sources = [&](const std::string& text, std::size_t target) {
    std::vector<std::size_t> numbers;
    const TrackMix mix = ApplyRecipe(ParseRecipe(text, "r.yaml"), track);
    for (const MixPart& part : mix[target]) numbers.push_back(part.source);
    return numbers;
  };
  const std::string both = "stems: {v: {instrument: [male singer, vocalists]}, r: rest}";
  EXPECT_THAT(sources(both, 0), ElementsAre(2u));
  EXPECT_THAT(sources(both, 1), ElementsAre(0u, 1u));
  EXPECT_THAT(sources("stems: {m: {component: Melody}, r: rest}", 0), ElementsAre(2u));
  EXPECT_THAT(
      MessageOf(
          [&] { sources("stems: {v: {instrument: male singer, optional: silence}, r: rest}", 0); }),
      AllOf(HasSubstr("\"S03\" (male singer, vocalists) belongs to the stem v in part only"),
            HasSubstr(kSong)));
  EXPECT_THAT(
      sources("stems: {v: {instrument: male singer, optional: silence}, r: [S03, rest]}", 1),
      ElementsAre(0u, 1u, 2u));
}

class MedleyDbAudio : public MedleyDb {
 protected:
  void SetUp() override {
    ASSERT_EQ(ProblemWith(Head() + Stems(kSong)), "(no problem)");
    const std::string start = "Audio/" + std::string(kSong) + "/" + kSong;
    for (int s = 1; s <= 3; ++s) {
      Audio(start + "_STEMS/" + kSong + "_STEM_0" + std::to_string(s) + ".wav",
            Noise(static_cast<std::uint64_t>(s), 100'000));
    }
    Audio(start + "_MIX.wav", Noise(9, 100'000));
  }
};

TEST_F(MedleyDbAudio, IsPreparedByTheRecipeThatIsShipped) {
  ASSERT_TRUE(Prepare(ReadFile(STEMSMITH_SOURCE_DIR "/configs/recipes/medleydb-four-stems.yaml"))
                  .failures.empty());
  EXPECT_THAT(CacheReader(out_ / "cache.h5").stems(),
              ElementsAre("drums", "bass", "other", "vocals"));
  EXPECT_EQ(Stem(kSong, "bass"), Samples(Noise(1, 100'000)));
  EXPECT_EQ(Stem(kSong, "drums"), Samples(Noise(2, 100'000)));
  EXPECT_EQ(Stem(kSong, "vocals"), Samples(Noise(3, 100'000)));
  EXPECT_EQ(Stem(kSong, "other"), std::vector<float>(200'000, 0.0f));
}

TEST_F(MedleyDbAudio, DoctorDoesNotCompareTheMasteredMixtureWithTheSum) {
  DoctorOptions options;
  options.kind = kind_;
  options.reader = options_;
  options.host = heard_.host();
  for (const Finding& finding : ExamineDataset(options).findings) {
    EXPECT_NE(finding.kind, std::string("mixture")) << finding.what;
  }
}

}  // namespace
}  // namespace stemsmith
