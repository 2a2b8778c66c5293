// MoisesDB. The metadata below are written after its library, github.com/moises-ai/moises-db.
#include <nlohmann/json.hpp>

#include "datasets/doctor/doctor.h"
#include "datasets/recipes/recipe.h"
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kSong[] = "02ee37da-eea3-42b4-83bf-ab7f243afa13";
constexpr char kOther[] = "0e0d57cd-8662-4091-86d4-ed3e35d04ef6";

json Recording(const std::string& id, const std::string& instrument) {
  return {{"id", id}, {"trackType", instrument}, {"extension", "wav"}, {"has_bleed", false}};
}

json Listed(const std::string& name, const std::vector<json>& recordings) {
  return {{"id", "x"}, {"stemName", name}, {"tracks", recordings}};
}

class MoisesDb : public DatasetFixture {
 protected:
  MoisesDb() : DatasetFixture("moisesdb") {}

  void Metadata(const std::string& song, const json& stems) {
    Text(song + "/data.json",
         json{{"song", "T"}, {"artist", "A"}, {"genre", "pop"}, {"stems", stems}}.dump());
  }
  // Vocals in two places of the list, and two recordings of one instrument.
  void Song(const std::string& song) {
    Metadata(song, {Listed("vocals", {Recording("a", "lead male singer")}),
                    Listed("other_keys", {Recording("b", "organ, electric organ")}),
                    Listed("vocals", {Recording("c", "background vocals"),
                                      Recording("d", "background vocals")}),
                    Listed("drums", {})});
    for (const char* file : {"vocals/a", "other_keys/b", "vocals/c", "vocals/d"}) {
      Touch(song + "/" + file + ".wav");
    }
  }
  std::string ProblemWith(const std::vector<json>& stems) { return ProblemOfStems(stems); }
  std::string ProblemOfStems(const json& stems) {
    Song(kSong);
    Metadata(kSong, stems);
    return ProblemOf(Scan().at(0));
  }
};

TEST_F(MoisesDb, ReadsRecordingsWithTheirStemsAndInstruments) {
  Song("moisesdb_v0.1/" + std::string(kSong));
  Song("moisesdb_v0.1/" + std::string(kOther));
  const std::vector<Track> tracks = Scan();
  ASSERT_THAT(Names(tracks),
              ElementsAre("train/" + std::string(kSong), "train/" + std::string(kOther)));
  const Track& track = tracks[0];
  EXPECT_EQ(ProblemOf(track), "(no problem)");
  EXPECT_TRUE(track.mixture.empty());
  ASSERT_THAT(SourceNames(track),
              ElementsAre("vocals: lead male singer", "other keys: organ, electric organ",
                          "vocals: background vocals", "vocals: background vocals 2"));
  EXPECT_EQ(track.sources[3].path,
            root_ / ("moisesdb_v0.1/" + std::string(kSong) + "/vocals/d.wav"));
  EXPECT_THAT(track.sources[1].attributes,
              ElementsAre(Pair("stem", "other keys"), Pair("instrument", "organ, electric organ")));
}

TEST_F(MoisesDb, SongsLieInRootInFoldersOfProvidersAndOfSplits) {
  Song(kSong);
  Song("validation/" + std::string(kOther));
  Song("provider/not a uuid");
  Touch("provider/deep/er/x.wav");
  std::vector<UnusedThings> unused;
  EXPECT_THAT(Names(ScanDataset(kind_, options_, &unused)),
              ElementsAre("train/" + std::string(kSong), "train/not a uuid",
                          "valid/" + std::string(kOther)));
  ASSERT_EQ(unused.size(), 1u);
  EXPECT_THAT(unused[0].names, ElementsAre("provider/deep/er"));
  options_.splits = root_ / "splits.json";
  Text("splits.json", std::string("{test: [") + kSong + "]}");
  EXPECT_THAT(Names(Scan()), ElementsAre("test/" + std::string(kSong)));
}

TEST_F(MoisesDb, MetadataThatCannotBeUsedAreTheErrorOfThatSong) {
  Song(kOther);
  const json vocals = Listed("vocals", {Recording("a", "lead male singer")});
  EXPECT_EQ(ProblemWith({vocals}), "(no problem)");
  EXPECT_EQ(ProblemWith({Listed("vocals", {json{{"id", "a"}}})}), "(no problem)");
  EXPECT_THAT(ProblemWith({Listed("vocal", {Recording("a", "lead male singer")})}),
              AllOf(HasSubstr("unknown stem \"vocal\""), HasSubstr("did you mean 'vocals'?"),
                    HasSubstr("data.json")));
  EXPECT_THAT(ProblemWith({Listed("kazoo", {Recording("a", "kazoo")})}),
              HasSubstr("the stems are vocals, bass"));
  EXPECT_THAT(ProblemWith({vocals, vocals}), HasSubstr("lists the file a.wav twice"));
  EXPECT_THAT(ProblemWith({Listed("vocals", {Recording("z", "lead male singer")})}),
              AllOf(HasSubstr("the audio of \"vocals: lead male singer\" is missing"),
                    HasSubstr("vocals/z.wav")));
  for (const char* id : {"../other_keys/b", "/tmp/a", "..\\a"}) {
    EXPECT_THAT(ProblemWith({Listed("vocals", {Recording(id, "x")})}),
                HasSubstr("is not the name of a file in the song's folder"));
  }
  EXPECT_THAT(ProblemWith({Listed("../vocals", {Recording("a", "x")})}), HasSubstr("unknown stem"));
  EXPECT_THAT(ProblemWith({}), HasSubstr("lists no audio"));
  EXPECT_THAT(ProblemOfStems(3), HasSubstr("'stems'"));
  EXPECT_THAT(ProblemWith({3}), HasSubstr("data.json"));
  EXPECT_THAT(ProblemWith({json{{"tracks", json::array()}}}), HasSubstr("'stemName'"));
  EXPECT_THAT(ProblemWith({Listed("vocals", {json{{"id", 3}}})}), HasSubstr("'id'"));
  for (const char* text : {"", "{", "[]", "just words", "{\"stems\": \"\xff\"}"}) {
    Text(std::string(kSong) + "/data.json", text);
    EXPECT_THAT(ProblemOf(Scan().at(0)), HasSubstr("data.json")) << text;
  }
  fs::remove(root_ / kSong / "data.json");
  EXPECT_THAT(ProblemOf(Scan().at(0)), HasSubstr("data.json is missing"));
  EXPECT_EQ(ProblemOf(Scan().at(1)), "(no problem)");
}

TEST_F(MoisesDb, SongsOfOneNameAndFilesThatAreNotListedAreNamed) {
  Song("a/" + std::string(kSong));
  Song("b/" + std::string(kSong));
  Touch("a/" + std::string(kSong) + "/vocals/more.wav");
  std::vector<UnusedThings> unused;
  const std::vector<Track> tracks = ScanDataset(kind_, options_, &unused);
  EXPECT_EQ(ProblemOf(tracks.at(0)), "(no problem)");
  EXPECT_THAT(ProblemOf(tracks.at(1)), HasSubstr("two songs are called"));
  ASSERT_EQ(unused.size(), 1u);
  EXPECT_THAT(unused[0].names, ElementsAre("a/" + std::string(kSong) + "/vocals/more.wav"));
}

TEST_F(MoisesDb, SaysWhatItLookedForWhereThereIsNoSong) {
  Touch("a/b/c/drums.wav");
  EXPECT_THAT(MessageOf([&] { Scan(); }),
              AllOf(HasSubstr("no songs found"), HasSubstr("data.json")));
  options_.metadata = root_.path();
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("no metadata apart from its audio"));
}

// Recordings of different rates, lengths and channels.
class MoisesDbAudio : public MoisesDb {
 protected:
  void SetUp() override {
    Song(kSong);
    const std::string song = kSong;
    Audio(song + "/vocals/a.wav", Noise(1, 30'000));
    Audio(song + "/vocals/c.wav", Noise(2, 10'000, 1));
    Audio(song + "/vocals/d.wav", Noise(3, 20'000));
    Audio(song + "/other_keys/b.wav", AudioBuffer(2, 48'000), 48'000);  // silent
  }
};

TEST_F(MoisesDbAudio, RecipesChooseByStemAndInstrument) {
  const auto prepared = [&](const std::string& recipe) {
    const PrepareResult result = Prepare(recipe);
    for (const SongFailure& failure : result.failures) ADD_FAILURE() << failure.error.what();
  };
  prepared("stems: {lead: {instrument: lead male singer}, others: rest}");
  std::vector<float> lead = Stem(kSong, "lead");
  // The longest recording has 48000 frames at 48 kHz: a second. What is shorter ends in silence.
  ASSERT_EQ(lead.size(), 2u * 44'100);
  const AudioBuffer first = Noise(1, 30'000);
  for (int c = 0; c < 2; ++c) {
    for (std::size_t t = 0; t < 44'100; ++t) {
      ASSERT_EQ(lead[c * 44'100 + t], t < 30'000 ? first.channel(c)[t] : 0.0f) << t;
    }
  }
  prepared(
      "stems: {keys: {stem: other_keys}, voices: {stem: vocals, instrument: '*vocals'}, l: rest}");
  const std::vector<float> voices = Stem(kSong, "voices");
  const AudioBuffer mono = Noise(2, 10'000, 1), stereo = Noise(3, 20'000);
  for (std::size_t t = 0; t < 20'000; ++t) {
    const float sum = (t < 10'000 ? mono.channel(0)[t] : 0.0f) + stereo.channel(1)[t];
    ASSERT_NEAR(voices[44'100 + t], sum, 1e-6) << t;
  }
}

TEST_F(MoisesDbAudio, IsPreparedByTheRecipeThatIsShippedAndByStemWithoutOne) {
  ASSERT_TRUE(Prepare(ReadFile(STEMSMITH_SOURCE_DIR "/configs/recipes/moisesdb-four-stems.yaml"))
                  .failures.empty());
  EXPECT_THAT(CacheReader(out_ / "cache.h5").stems(),
              ElementsAre("drums", "bass", "other", "vocals"));
  const std::vector<float> four = Stem(kSong, "vocals");
  ASSERT_TRUE(Prepare().failures.empty());
  EXPECT_THAT(CacheReader(out_ / "cache.h5").stems(), ElementsAre("other keys", "vocals"));
  EXPECT_EQ(Stem(kSong, "vocals"), four);
}

TEST_F(MoisesDbAudio, DoctorTakesLengthsAndRatesForRemarks) {
  Audio(kSong + std::string("/other_keys/b.wav"), Noise(4, 48'000), 48'000);
  DoctorOptions options;
  options.kind = kind_;
  options.reader = options_;
  options.host = heard_.host();
  std::vector<std::string> kinds;
  for (const Finding& finding : ExamineDataset(options).findings) {
    EXPECT_NE(finding.severity, Severity::kError) << finding.what;
    kinds.push_back(finding.kind);
  }
  EXPECT_THAT(kinds, Contains("length"));
  EXPECT_THAT(kinds, Contains("rate"));
}

}  // namespace
}  // namespace stemsmith
