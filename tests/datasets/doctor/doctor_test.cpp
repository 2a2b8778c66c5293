// One made defect per test; doctor_duplicates_test.cpp has the same recordings.
#include "datasets/doctor/doctor.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <sstream>

#include "core/option.h"
#include "datasets/doctor/report.h"
#include "datasets/doctor/song.h"
#include "tests/datasets/doctor/doctor_fixture.h"

namespace stemsmith {
namespace {

using testing::DoctorTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsFinding;
using testing::kDoctorRateHz;
using ::testing::Not;
using testing::Notes;
using testing::Scaled;
using testing::Silence;
using ::testing::UnorderedElementsAre;

constexpr Severity kError = Severity::kError, kRemark = Severity::kRemark;

TEST_F(DoctorTest, FindsNothingInAGoodDataset) {
  WriteGoodSongs();
  const DoctorResult result = Examine();
  EXPECT_EQ(AllOf(result), "");
  EXPECT_EQ(result.errors(), 0u);
  EXPECT_EQ(result.songs, (std::map<std::string, std::size_t>{{"test", 1}, {"train", 1}}));
  EXPECT_NEAR(result.hours, 8.0 / 3600, 1e-6);
  EXPECT_EQ(result.sample_rates, (std::map<int, std::size_t>{{kDoctorRateHz, 2}}));
  ASSERT_EQ(result.targets.size(), 2u);
  EXPECT_EQ(result.targets[0].name, "drums");
  EXPECT_NEAR(result.targets[1].splits.at("train").sounding_hours, 4.0 / 3600, 1e-6);
}

TEST_F(DoctorTest, NamesDamagedFilesAndStillExaminesTheOthers) {
  WriteGoodSongs();
  Write("train/a/bass.wav", Scaled(Notes(2), 40));
  const std::string bytes = ReadFile(root_ / "train/a/drums.wav");
  WriteFileAtomically(root_ / "train/a/drums.wav", bytes.substr(0, bytes.size() / 2));
  WriteFileAtomically(root_ / "test/b/drums.wav", "no audio at all");
  const DoctorResult result = Examine();
  EXPECT_THAT(result.findings, ElementsAre(IsFinding(kError, "unreadable", "test/b", "drums"),
                                           IsFinding(kError, "damage", "train/a", "drums"),
                                           IsFinding(kError, "clipping", "train/a", "bass")))
      << AllOf(result);
  EXPECT_THAT(result.findings[0].what, HasSubstr("text file"));
  EXPECT_THAT(result.findings[1].what, HasSubstr("truncated"));
}

TEST_F(DoctorTest, NamesSamplesThatAreNotNumbers) {
  WriteGoodSongs();
  const AudioBuffer audio = Notes(1);
  Write("train/a/drums.wav", audio, SampleFormat::kFloat32);
  // The right sample at 1 s, counted from the end of the file, which ends with the last sample.
  std::string bytes = ReadFile(root_ / "train/a/drums.wav");
  const float not_a_number = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(bytes.data() + bytes.size() - 8 * (audio.frames() - kDoctorRateHz) + 4, &not_a_number,
              sizeof not_a_number);
  WriteFileAtomically(root_ / "train/a/drums.wav", bytes);
  const Finding finding = OnlyFinding();
  EXPECT_THAT(finding, IsFinding(kError, "damage", "train/a", "drums"));
  EXPECT_THAT(finding.what, ::testing::AllOf(HasSubstr("1.00 s"), HasSubstr("not a number")));
}

TEST_F(DoctorTest, NamesTheStemThatIsShorter) {
  WriteGoodSongs();
  Write("train/a/drums.wav", Notes(1, 3.5));
  Write("train/a/vocals.wav", Notes(5));
  Write("test/b/vocals.wav", Notes(6, 4.05));
  const DoctorResult result = Examine();
  EXPECT_THAT(result.findings, UnorderedElementsAre(IsFinding(kError, "length", "train/a", "drums"),
                                                    IsFinding(kRemark, "length", "test/b", "drums"),
                                                    IsFinding(kRemark, "length", "test/b", "bass")))
      << AllOf(result);
  EXPECT_THAT(result.findings[0].what, HasSubstr("3.500 s long, bass is 4.000 s"));
}

TEST_F(DoctorTest, NamesRatesThatDifferWithinASong) {
  WriteGoodSongs();
  Write("train/a/drums.wav", Notes(1, 4, 16'000), SampleFormat::kInt16, 16'000);
  const DoctorResult result = Examine();
  EXPECT_THAT(Only(result), IsFinding(kRemark, "rate", "train/a", "drums"));
  EXPECT_THAT(result.findings[0].what, HasSubstr("16000 Hz"));
  EXPECT_EQ(result.errors(), 0u);
}

TEST_F(DoctorTest, NamesSilentStemsAndSongsThatAreAllSilent) {
  WriteGoodSongs();
  Write("train/a/drums.wav", Scaled(Notes(1), 1e-3f));
  Write("test/b/drums.wav", Silence());
  Write("test/b/bass.wav", Silence());
  Write("train/c/drums.wav", Notes(5));
  Write("train/c/bass.wav", Notes(6));
  const DoctorResult result = Examine();
  EXPECT_THAT(result.findings, ElementsAre(IsFinding(kError, "silence", "test/b", ""),
                                           IsFinding(kRemark, "silence", "train/a", "drums")))
      << AllOf(result);
}

TEST_F(DoctorTest, MeasuresClipping) {
  WriteGoodSongs();
  AudioBuffer some = Notes(1);
  for (int run = 0; run < 6; ++run) {
    for (int i = 0; i < 4; ++i) some.channel(0)[10'000 * (run + 1) + i] = -1.0f;
  }
  Write("train/a/drums.wav", some);
  Write("test/b/bass.wav", Scaled(Notes(4), 40));
  const DoctorResult result = Examine();
  EXPECT_THAT(result.findings, ElementsAre(IsFinding(kError, "clipping", "test/b", "bass"),
                                           IsFinding(kRemark, "clipping", "train/a", "drums")))
      << AllOf(result);
  EXPECT_THAT(result.findings[1].what, HasSubstr("clipped 6 times (0.014 % of the samples)"));
}

TEST_F(DoctorTest, PeaksAtFullScaleAndFloatAboveItAreNoClipping) {
  WriteGoodSongs();
  AudioBuffer peaks = Notes(1);
  for (std::size_t t = 100; t < peaks.frames(); t += 100) {
    peaks.channel(0)[t] = t % 200 == 0 ? 0.9999f : -0.9999f;
  }
  Write("train/a/drums.wav", peaks);
  Write("train/a/bass.wav", Scaled(Notes(2), 6), SampleFormat::kFloat32);
  EXPECT_EQ(AllOf(Examine()), "");
}

TEST_F(DoctorTest, MeasuresDcOffset) {
  WriteGoodSongs();
  AudioBuffer little = Notes(1), much = Notes(3);
  for (std::size_t t = 0; t < little.frames(); ++t) little.channel(1)[t] += 0.01f;
  for (float& sample : much.samples()) sample -= 0.1f;
  Write("train/a/drums.wav", little);
  Write("test/b/drums.wav", much);
  const DoctorResult result = Examine();
  EXPECT_THAT(result.findings, ElementsAre(IsFinding(kError, "dc", "test/b", "drums"),
                                           IsFinding(kRemark, "dc", "train/a", "drums")))
      << AllOf(result);
  EXPECT_THAT(result.findings[0].what, HasSubstr("-0.100 (-20 dB)"));
}

class DoctorMixture : public DoctorTest {
 protected:
  void WriteMixture(float gain_drums, float gain_bass, double seconds = 4) {
    AudioBuffer mixture = Notes(1, seconds);
    const AudioBuffer bass = Notes(2, seconds);
    for (std::size_t i = 0; i < mixture.samples().size(); ++i) {
      mixture.samples()[i] = gain_drums * mixture.samples()[i] + gain_bass * bass.samples()[i];
    }
    Write("train/a/mixture.wav", mixture);
  }
};

TEST_F(DoctorMixture, ASumRoundedToSixteenBitsIsFine) {
  WriteGoodSongs();
  WriteMixture(1, 1);
  EXPECT_EQ(AllOf(Examine()), "");
}

TEST_F(DoctorMixture, SaysWhatIsLeftWhereAStemIsMissing) {
  WriteGoodSongs();
  WriteMixture(1, 0);
  const Finding finding = OnlyFinding();
  EXPECT_THAT(finding, IsFinding(kError, "mixture", "train/a", "mixture"));
  EXPECT_THAT(finding.what, HasSubstr("dB"));
  EXPECT_THAT(finding.what, Not(HasSubstr("gain")));
}

TEST_F(DoctorMixture, TellsAnotherLevelFromAnotherMix) {
  WriteGoodSongs();
  WriteMixture(1.5, 1.5);
  const Finding finding = OnlyFinding();
  EXPECT_THAT(finding, IsFinding(kError, "mixture", "train/a", "mixture"));
  EXPECT_THAT(finding.what, HasSubstr("what is left is -9.5 dB, with a gain of +3.5 dB"));
}

TEST_F(DoctorMixture, RemarksOnSmallDifferencesAndOtherLengths) {
  WriteGoodSongs();
  WriteMixture(1, 0.9f, 3);
  const DoctorResult result = Examine();
  EXPECT_THAT(result.findings,
              UnorderedElementsAre(IsFinding(kRemark, "length", "train/a", "mixture"),
                                   IsFinding(kError, "mixture", "train/a", "mixture")))
      << AllOf(result);
  WriteMixture(1, 0.9f);
  EXPECT_THAT(OnlyFinding(), IsFinding(kRemark, "mixture", "train/a", "mixture"));
}

TEST_F(DoctorTest, SaysWhatTheReaderAndTheRecipeCannotUse) {
  WriteGoodSongs();
  Write("train/a/drums.flac", Notes(1));
  for (const char* song : {"train/c", "train/d"}) {
    Write(std::string(song) + "/drums.wav", Notes(song[6]));
    Write(std::string(song) + "/bass.wav", Notes(2 * song[6]));
  }
  Write("test/b/piano.wav", Notes(7));
  const DoctorResult result = Examine();
  EXPECT_THAT(result.findings, ElementsAre(IsFinding(kError, "recipe", "test/b", ""),
                                           IsFinding(kError, "layout", "train/a", "")))
      << AllOf(result);
  EXPECT_THAT(result.findings[0].what, HasSubstr("\"piano\" belongs to no stem"));
  EXPECT_THAT(result.findings[1].what, HasSubstr("two files for the stem"));
}

TEST_F(DoctorTest, CountsTheAudioOfEachTarget) {
  WriteGoodSongs();
  AudioBuffer half = Notes(1);
  for (int c = 0; c < 2; ++c) std::fill_n(half.channel(c), half.frames() / 2, 0.0f);
  Write("train/a/drums.wav", half);
  Write("train/c/bass.wav", Notes(8));
  const DoctorResult result =
      ExamineWith("stems:\n  bass: bass\n  drums: {source: drums, optional: silence}\n");
  const auto& bass = result.targets[0].splits.at("train");
  const auto& drums = result.targets[1].splits.at("train");
  EXPECT_EQ(bass.songs, 2u);
  EXPECT_NEAR(bass.sounding_hours, 8.0 / 3600, 1e-6);
  EXPECT_EQ(drums.songs, 1u);
  EXPECT_NEAR(drums.hours, 4.0 / 3600, 1e-6);
  EXPECT_NEAR(drums.sounding_hours, 2.0 / 3600, 0.1 / 3600);
}

TEST_F(DoctorTest, NamesTargetsThatNeverOrHardlySoundInTraining) {
  WriteGoodSongs();
  Write("train/a/vocals.wav", Silence());
  Write("test/b/vocals.wav", Notes(5));
  Write("train/c/drums.wav", Notes(6, 10));
  Write("train/c/bass.wav", Notes(7, 10));
  AudioBuffer hit = Silence(10);
  for (std::size_t t = 0; t < kDoctorRateHz / 10; ++t) hit.channel(0)[t] = t % 2 ? 0.1f : -0.1f;
  Write("train/c/vocals.wav", hit);
  DoctorResult result = Examine();
  EXPECT_THAT(result.findings, ElementsAre(IsFinding(kRemark, "target", "train/", "vocals"),
                                           IsFinding(kRemark, "silence", "train/a", "vocals")))
      << AllOf(result);
  Write("train/c/vocals.wav", Silence(10));
  result = Examine();
  EXPECT_THAT(result.findings[0], IsFinding(kError, "target", "train/", "vocals"));
}

TEST_F(DoctorTest, ThreadCountsGiveTheSameFindings) {
  for (int song = 0; song < 6; ++song) {
    const std::string name = "train/song " + std::to_string(song);
    Write(name + "/drums.wav", Scaled(Notes(10 + song % 4), song % 2 ? 1.0f : 40.0f));
    Write(name + "/bass.wav", song % 3 ? Notes(20 + song % 4) : Silence());
  }
  DoctorOptions options = Options();
  options.threads = 1;
  const nlohmann::json one = DoctorJson(options, ExamineDataset(options));
  options.threads = 4;
  EXPECT_EQ(DoctorJson(options, ExamineDataset(options)), one);
  EXPECT_GT(one["findings"].size(), 5u);
}

TEST_F(DoctorTest, StopsWhenAsked) {
  WriteGoodSongs();
  const std::vector<Track> tracks = ScanDataset("folders", {root_.path()});
  EXPECT_THROW(ExamineSong(tracks[0], nullptr, {}, [](double) { return true; }), DoctorStopped);
  double told = 0;
  ExamineSong(tracks[0], nullptr, {}, [&](double share) {
    told += share;
    return false;
  });
  EXPECT_NEAR(told, 1, 1e-3);
}

TEST_F(DoctorTest, TheReportCountsWhatIsAlikeAndListsItOnRequest) {
  WriteGoodSongs();
  DoctorResult result = Examine();
  EXPECT_THAT(DoctorText(Options(), result, false), HasSubstr("nothing to fix"));
  EXPECT_THAT(DoctorText(Options(), result, false),
              HasSubstr("drums   train  1      0:04    0:04 (100 %)"));
  for (int i = 0; i < 8; ++i) {
    for (const Severity severity : {kError, kRemark}) {
      result.findings.push_back({severity, "silence", "train", "song\n" + std::to_string(i), "Bäße",
                                 "silent", "look at it"});
    }
  }
  const auto lines_with = [&](bool all, const std::string& text) {
    std::size_t count = 0;
    std::istringstream lines(DoctorText(Options(), result, all));
    for (std::string line; std::getline(lines, line);) count += line.find(text) != line.npos;
    return count;
  };
  EXPECT_EQ(lines_with(false, "error   train/song?"), 1u);
  EXPECT_EQ(lines_with(false, "remark  train/song?"), 1u);
  EXPECT_EQ(lines_with(false, "silent; look at it [8 like this in 8 songs]"), 2u);
  EXPECT_EQ(lines_with(false, "… " + Option("all") + " lists the other 14"), 1u);
  EXPECT_EQ(lines_with(true, "error   train/song?"), 8u);
  EXPECT_EQ(lines_with(true, "remark  train/song?"), 8u);
  EXPECT_EQ(lines_with(true, "like this"), 0u);
  EXPECT_EQ(lines_with(false, "8 errors to fix, 8 remarks"), 1u);
  const nlohmann::json json = DoctorJson(Options(), result);
  EXPECT_EQ(json["errors"], 8);
  EXPECT_EQ(json["findings"].size(), 16u);
  EXPECT_EQ(json["findings"][0]["stem"], "Bäße");
  EXPECT_EQ(json["targets"][0]["splits"]["train"]["songs"], 1);
}

// As prepare does: the mixture is one more source, of which the residual is what the others leave.
TEST_F(DoctorTest, ListensToTheResidualOfARecordedMixture) {
  for (const std::string song : {"train/a", "test/b"}) {
    const std::uint64_t seed = song == "train/a" ? 1 : 5;
    AudioBuffer mixture = Notes(seed + 2);  // the room
    for (const std::string stem : {"drums", "bass"}) {
      const AudioBuffer audio = Notes(stem == "drums" ? seed : seed + 1);
      Write(song + "/" + stem + ".wav", audio);
      for (std::size_t i = 0; i < mixture.samples().size(); ++i)
        mixture.samples()[i] += audio.samples()[i];
    }
    Write(song + "/mixture.wav", mixture);
  }
  const DoctorResult result =
      ExamineWith("stems: {drums: drums, bass: bass}\nmixture: recorded\nresidual: room\n");
  EXPECT_EQ(result.errors(), 0u) << AllOf(result);
  ASSERT_EQ(result.targets.size(), 3u);
  EXPECT_EQ(result.targets[2].name, "room");
  EXPECT_NEAR(result.targets[2].splits.at("train").sounding_hours * 3600, 4, 0.5);
}

TEST_F(DoctorTest, FindsSongsWithoutTheMixtureAndSilentResiduals) {
  WriteGoodSongs();
  AudioBuffer sum = Notes(1);
  const AudioBuffer bass = Notes(2);
  for (std::size_t i = 0; i < sum.samples().size(); ++i) sum.samples()[i] += bass.samples()[i];
  Write("train/a/mixture.wav", sum);
  const DoctorResult result =
      ExamineWith("stems: {drums: drums, bass: bass}\nmixture: recorded\nresidual: room\n");
  EXPECT_THAT(result.findings, ElementsAre(IsFinding(kError, "recipe", "test/b", ""),
                                           IsFinding(kError, "target", "train/", "room")));
}

}  // namespace
}  // namespace stemsmith
