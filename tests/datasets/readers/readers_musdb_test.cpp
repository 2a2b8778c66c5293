// The two layouts of MUSDB18. The .stem.mp4 files are written, and decoded for comparison, by the
// ffmpeg program.
#include "datasets/recipes/song_mixer.h"
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::size_t kFrames = 30'001;  // no multiple of an AAC frame

bool HaveFfmpeg() { return RunProgram("ffmpeg -version").status == 0; }

std::string Quoted(const fs::path& path) {
  std::string quoted = "'";
  for (const char c : path.string()) {
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return quoted + "'";
}

class Musdb18 : public DatasetFixture {
 protected:
  Musdb18() : DatasetFixture("musdb18") {}

  // As the published files: AAC, 44.1 kHz, stereo.
  void StemFile(const std::string& name, int streams, std::uint64_t seed) {
    std::string command = "ffmpeg -v error -y", maps;
    for (int i = 0; i < streams; ++i) {
      const fs::path wav = out_ / ("stream" + std::to_string(i) + ".wav");
      EncodeOptions options;
      WriteAudio(wav, Noise(seed * 10 + i, kFrames, 2), 44100, options);
      command += " -i " + Quoted(wav);
      maps += " -map " + std::to_string(i) + ":a";
    }
    fs::create_directories((root_ / name).parent_path());
    const ProgramResult result =
        RunProgram(command + maps + " -c:a aac -b:a 256k -f mp4 " + Quoted(root_ / name));
    ASSERT_EQ(result.status, 0) << result.err;
  }
  // Planar, as Stem() gives it.
  std::vector<float> DecodedByFfmpeg(const std::string& name, int stream) {
    const fs::path raw = out_ / "decoded.raw";
    const ProgramResult result =
        RunProgram("ffmpeg -v error -y -i " + Quoted(root_ / name) +
                   " -map 0:a:" + std::to_string(stream) + " -f f32le " + Quoted(raw));
    EXPECT_EQ(result.status, 0) << result.err;
    const std::string bytes = ReadFile(raw);
    const std::size_t frames = bytes.size() / (2 * sizeof(float));
    std::vector<float> planar(2 * frames);
    Deinterleave(reinterpret_cast<const float*>(bytes.data()), 2, frames, planar.data());
    return planar;
  }
};

TEST_F(Musdb18, ListsSongsWithTheirStreamsInTheOrderOfTheDataset) {
  Touch("train/A - B.stem.mp4");
  Touch("test/C & D's \"live\" żółć.stem.mp4");
  Touch("train/readme.txt");
  const std::vector<Track> tracks = Scan();
  ASSERT_THAT(Names(tracks), ElementsAre("test/C & D's \"live\" żółć", "train/A - B"));
  EXPECT_THAT(SourceNames(tracks[0]), ElementsAre("drums", "bass", "other", "vocals"));
  for (int s = 0; s < 4; ++s) {
    EXPECT_EQ(tracks[0].sources[s].stream, s + 1);
    EXPECT_EQ(tracks[0].sources[s].path, tracks[0].mixture);
  }
  EXPECT_EQ(tracks[0].mixture_stream, 0);
}

TEST_F(Musdb18, KeepsTheFourteenUsualSongsForValidation) {
  // configs/mus.yaml of the package musdb 0.4.3.
  const std::vector<std::string> usual = {"Actions - One Minute Smile",
                                          "Clara Berry And Wooldog - Waltz For My Victims",
                                          "Johnny Lokke - Promises & Lies",
                                          "Patrick Talbot - A Reason To Leave",
                                          "Triviul - Angelsaint",
                                          "Alexander Ross - Goodbye Bolero",
                                          "Fergessen - Nos Palpitants",
                                          "Leaf - Summerghost",
                                          "Skelpolu - Human Mistakes",
                                          "Young Griffo - Pennies",
                                          "ANiMAL - Rockshow",
                                          "James May - On The Line",
                                          "Meaxic - Take A Step",
                                          "Traffic Experiment - Sirens"};
  for (const std::string& song : usual) Touch("train/" + song + ".stem.mp4");
  Touch("train/Another - Song.stem.mp4");
  std::vector<std::string> valid;
  for (const Track& track : Scan()) {
    if (track.split == "valid") valid.push_back(track.name);
  }
  EXPECT_THAT(valid, ::testing::UnorderedElementsAreArray(usual));
  options_.valid_fraction = 0.5;
  EXPECT_THAT(MessageOf([&] { Scan(); }), HasSubstr("contradicts"));
}

TEST_F(Musdb18, DecodesTheStreamsAsFfmpegDoesToTheSample) {
  if (!HaveFfmpeg()) GTEST_SKIP() << "no ffmpeg program";
  const std::string name = "train/It's a \"Song\".stem.mp4";
  StemFile(name, 5, 1);
  const PrepareResult result = Prepare();
  ASSERT_TRUE(result.failures.empty()) << result.failures[0].error.what();
  int stream = 1;
  for (const char* stem : {"drums", "bass", "other", "vocals"}) {
    const std::vector<float> ours = Stem("It's a \"Song\"", stem);
    // The delay of the encoder is out; the file does not say where in the last packet it ends.
    EXPECT_GE(ours.size(), 2 * kFrames);
    EXPECT_LT(ours.size(), 2 * (kFrames + 1024));
    EXPECT_EQ(ours, DecodedByFfmpeg(name, stream)) << stem;
    ++stream;
  }
}

TEST_F(Musdb18, OpensEachFileOnceForAllItsStreams) {
  if (!HaveFfmpeg()) GTEST_SKIP() << "no ffmpeg program";
  StemFile("train/song.stem.mp4", 5, 2);
  const Track track = Scan().at(0);
  const std::vector<SourceGroup> groups = GroupByFile(track);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_THAT(groups[0].streams, ElementsAre(1, 2, 3, 4));  // not the mixture
  const auto reader = OpenGroup(track, groups[0]);
  EXPECT_EQ(reader->info().channels, 8);
  EXPECT_EQ(reader->info().streams.size(), 5);
}

TEST_F(Musdb18, FilesWithOtherNumbersOfStreamsAreTheErrorOfThatSong) {
  if (!HaveFfmpeg()) GTEST_SKIP() << "no ffmpeg program";
  StemFile("train/good.stem.mp4", 5, 3);
  StemFile("train/one.stem.mp4", 1, 4);
  StemFile("train/four.stem.mp4", 4, 5);
  StemFile("train/six.stem.mp4", 6, 6);
  const PrepareResult result = Prepare();
  ASSERT_EQ(result.failures.size(), 3u);
  EXPECT_THAT(result.failures[0].error.what(),
              AllOf(HasSubstr("holds 4 audio streams, not 5"), HasSubstr("four.stem.mp4")));
  EXPECT_THAT(result.failures[1].error.what(), HasSubstr("holds 1 audio stream, not 5"));
  EXPECT_THAT(result.failures[2].error.what(), HasSubstr("holds 6 audio streams, not 5"));
  EXPECT_EQ(result.made, 1u);
}

TEST_F(Musdb18, LinksInCirclesAreTheProblemOfThatSong) {
  Touch("train/good.stem.mp4");
  fs::create_symlink(root_ / "train/loop.stem.mp4", root_ / "train/loop.stem.mp4");
  fs::create_directory_symlink(root_.path(), root_ / "train/up");
  const std::vector<Track> tracks = Scan();
  ASSERT_EQ(tracks.size(), 2u);
  EXPECT_EQ(ProblemOf(tracks[0]), "(no problem)");
  EXPECT_THAT(ProblemOf(tracks[1]), HasSubstr("link that leads nowhere"));
}

TEST_F(Musdb18, TwoSongsOfOneNameAreAProblemOfTheSecond) {
  Touch("train/song.stem.mp4");
  Touch("test/song.stem.mp4");
  EXPECT_THAT(ProblemOf(Scan().at(1)), HasSubstr("two songs are called \"song\""));
}

TEST_F(Musdb18, SaysWhatItLookedForAndWhatLiesThereInstead) {
  Touch("train/song/drums.wav");
  EXPECT_THAT(MessageOf([&] { Scan(); }),
              AllOf(HasSubstr("no songs found"), HasSubstr(".stem.mp4"), HasSubstr("musdb18hq")));
}

class Musdb18Hq : public DatasetFixture {
 protected:
  Musdb18Hq() : DatasetFixture("musdb18hq") {}
  void Song(const std::string& folder) {
    for (const char* stem : {"mixture", "drums", "bass", "other", "vocals"}) {
      Touch(folder + "/" + stem + ".wav");
    }
  }
};

TEST_F(Musdb18Hq, FindsSongsStemsAndTheUsualValidationSplit) {
  Song("train/A - B");
  Song("train/Leaf - Summerghost");
  Song("test/C - D");
  Touch("train/A - B/accompaniment.wav");  // left there by other tools
  const std::vector<Track> tracks = Scan();
  ASSERT_THAT(Names(tracks), ElementsAre("test/C - D", "train/A - B", "valid/Leaf - Summerghost"));
  EXPECT_THAT(SourceNames(tracks[1]), ElementsAre("drums", "bass", "other", "vocals"));
  EXPECT_EQ(tracks[1].mixture, root_ / "train/A - B/mixture.wav");
}

TEST_F(Musdb18Hq, NamesTheFileThatIsMissing) {
  Song("train/good");
  Song("train/bad");
  fs::remove(root_ / "train/bad/other.wav");
  fs::create_symlink(root_ / "train/bad/other.wav", root_ / "train/bad/other.wav");
  const std::vector<Track> tracks = Scan();
  EXPECT_THAT(ProblemOf(tracks.at(0)), AllOf(HasSubstr("other.wav is missing"), HasSubstr("bad")));
  EXPECT_EQ(ProblemOf(tracks.at(1)), "(no problem)");
}

TEST_F(Musdb18Hq, SaysWhatItLookedForAndWhatLiesThereInstead) {
  Touch("test/song.stem.mp4");
  EXPECT_THAT(MessageOf([&] { Scan(); }),
              AllOf(HasSubstr("no songs found"), HasSubstr("are musdb18")));
}

TEST_F(Musdb18Hq, PreparesItsSongs) {
  std::uint64_t seed = 0;
  for (const char* stem : {"mixture", "drums", "bass", "other", "vocals"}) {
    Audio(std::string("train/song/") + stem + ".wav", Noise(++seed, 5000, 2));
  }
  EXPECT_TRUE(Prepare().failures.empty());
  EXPECT_EQ(Stem("song", "drums"), Samples(Noise(2, 5000, 2)));
  EXPECT_EQ(Stem("song", "vocals"), Samples(Noise(5, 5000, 2)));
}

}  // namespace
}  // namespace stemsmith
