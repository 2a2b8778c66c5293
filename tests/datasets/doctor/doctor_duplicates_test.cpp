// The same recording twice: found in other formats, at other levels and shifted; other songs, even
// of one style, are never taken for the same.
#include <algorithm>

#include "audio/decode.h"
#include "datasets/doctor/recording.h"
#include "synth/synth.h"
#include "tests/datasets/doctor/doctor_fixture.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using testing::DoctorTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsFinding;
using testing::Notes;
using testing::RunProgram;
using testing::Scaled;
using testing::TemporaryFolder;

constexpr Severity kError = Severity::kError, kRemark = Severity::kRemark;

// Demo songs are made once for all tests here.
class DoctorDuplicates : public DoctorTest {
 protected:
  static void SetUpTestSuite() {
    demo_ = new TemporaryFolder();
    synth::SynthOptions options;
    options.out = *demo_ / "songs";
    options.songs = 10;
    options.seconds = 6;
    synth::MakeSongs(options);
  }
  static void TearDownTestSuite() {
    delete demo_;
    demo_ = nullptr;
  }
  static std::vector<fs::path> Songs(const std::string& split) {
    std::vector<fs::path> songs;
    for (const auto& entry : fs::directory_iterator(*demo_ / "songs" / split)) {
      songs.push_back(entry.path());
    }
    std::sort(songs.begin(), songs.end());
    return songs;
  }
  static AudioBuffer Mixture(const fs::path& song) {
    return ReadAll(*OpenAudio(song / "mixture.wav"));
  }
  static RecordingPrint PrintOf(const fs::path& file) {
    const auto reader = ConvertAudio(OpenAudio(file), RecordingPrint::kSampleRateHz, 1);
    const AudioBuffer mono = ReadAll(*reader);
    RecordingPrinter printer;
    printer.Push(mono.channel(0), mono.frames());
    return printer.Finish();
  }
  // Encodes with ffmpeg.
  static void Convert(const fs::path& from, const fs::path& to, const std::string& arguments) {
    const auto result = RunProgram("ffmpeg -nostdin -v error -y -i '" + from.string() + "' " +
                                   arguments + " '" + to.string() + "'");
    ASSERT_EQ(result.status, 0) << result.err;
  }
  static TemporaryFolder* demo_;
};

TemporaryFolder* DoctorDuplicates::demo_ = nullptr;

TEST_F(DoctorDuplicates, DemoSongsHaveNoFindings) {
  DoctorOptions options = Options();
  options.reader.root = *demo_ / "songs";
  const DoctorResult result = ExamineDataset(options);
  EXPECT_EQ(AllOf(result), "");
  EXPECT_EQ(result.songs.at("train"), Songs("train").size());
  EXPECT_EQ(result.targets.size(), 4u);
}

TEST_F(DoctorDuplicates, OtherDemoSongsDifferInNearlyHalfOfTheBits) {
  std::vector<RecordingPrint> prints;
  for (const char* split : {"train", "valid", "test"}) {
    for (const fs::path& song : Songs(split)) prints.push_back(PrintOf(song / "mixture.wav"));
  }
  ASSERT_EQ(prints.size(), 10u);
  const DoctorLimits limits;
  for (std::size_t a = 0; a < prints.size(); ++a) {
    for (std::size_t b = a + 1; b < prints.size(); ++b) {
      for (std::int64_t lag = -60; lag <= 60; ++lag) {
        ASSERT_GT(BitError(prints[a], prints[b], lag, limits), 0.38) << a << " " << b << " " << lag;
      }
    }
  }
}

TEST_F(DoctorDuplicates, FindsTheSameRecordingAtAnotherLevelAndStart) {
  const fs::path song = Songs("train")[0];
  const AudioBuffer mixture = Mixture(song);
  // 12 dB softer and starting 0.9 s and half a frame step later, as flac.
  constexpr std::size_t kLater = 40'740;
  AudioBuffer later(2, mixture.frames() + kLater);
  for (int c = 0; c < 2; ++c) {
    std::copy_n(mixture.channel(c), mixture.frames(), later.channel(c) + kLater);
  }
  EncodeOptions flac;
  flac.format = "flac";
  WriteAudio(other_ / "later.flac", Scaled(later, 0.25f), 44100, flac);
  const std::vector<SameRecording> found =
      FindSameRecordings({PrintOf(Songs("test")[0] / "mixture.wav"), PrintOf(song / "mixture.wav"),
                          PrintOf(other_ / "later.flac")},
                         {});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].first, 1u);
  EXPECT_EQ(found[0].second, 2u);
  EXPECT_NEAR(found[0].offset_seconds, kLater / 44100.0, RecordingPrint::kHopSeconds);
  EXPECT_LT(found[0].bit_error, 0.15);
}

TEST_F(DoctorDuplicates, FindsTheSameRecordingInEveryFormat) {
  if (RunProgram("command -v ffmpeg").status != 0) GTEST_SKIP() << "no ffmpeg";
  const fs::path song = Songs("train")[1] / "mixture.wav";
  Convert(song, other_ / "a.mp3", "-b:a 64k -ar 48000");
  Convert(song, other_ / "b.ogg", "-c:a libvorbis -q:a 0 -af volume=-12dB");
  Convert(song, other_ / "c.opus", "-c:a libopus -b:a 48k -ss 0.777");
  Convert(song, other_ / "d.wav", "-ac 1 -ar 22050 -af alimiter=level_in=4");
  const RecordingPrint original = PrintOf(song);
  for (const char* name : {"a.mp3", "b.ogg", "c.opus", "d.wav"}) {
    const std::vector<SameRecording> found =
        FindSameRecordings({original, PrintOf(other_ / name)}, {});
    ASSERT_EQ(found.size(), 1u) << name;
    EXPECT_LT(found[0].bit_error, 0.25) << name;
  }
}

TEST_F(DoctorDuplicates, NamesASongForTrainingThatIsInTheTestSetToo) {
  WriteGoodSongs();
  // The song of the test set once more, with its stems swapped and softer.
  Write("train/copy/drums.flac", Scaled(Notes(4), 0.5f));
  Write("train/copy/bass.flac", Scaled(Notes(3), 0.5f));
  const DoctorResult result = Examine();
  const Finding finding = Only(result);
  EXPECT_THAT(finding, IsFinding(kError, "duplicate", "train/copy", ""));
  EXPECT_THAT(finding.what, HasSubstr("test/b"));
}

TEST_F(DoctorDuplicates, OnlyRemarksOnASongThatIsTwiceInOneSplit) {
  WriteGoodSongs();
  Write("train/again/drums.wav", Notes(1));
  Write("train/again/bass.wav", Notes(2));
  EXPECT_THAT(OnlyFinding(), IsFinding(kRemark, "duplicate", "train/a", ""));
}

TEST_F(DoctorDuplicates, UnrelatedTakesAreComparedAndCountedOneByOne) {
  for (int take = 0; take < 3; ++take) {
    Write("train/drums/" + std::to_string(take) + ".wav", Notes(30 + take));
  }
  Write("train/bass/one.wav", Notes(40, 6));  // lent to three songs
  Write("valid/drums/new.wav", Notes(50));
  Write("valid/bass/known.wav", Scaled(Notes(40, 6), 0.5f));
  const DoctorResult result = ExamineDataset(Options("stem_pools"));
  ASSERT_EQ(result.findings.size(), 1u) << AllOf(result);
  EXPECT_EQ(result.findings[0].kind, "duplicate");
  EXPECT_EQ(result.findings[0].split, "train");
  EXPECT_EQ(result.findings[0].stem, "bass");
  EXPECT_EQ(result.findings[0].severity, kError);
  for (const TargetAudio& target : result.targets) {
    const double seconds = target.name == "drums" ? 12 : 6;
    EXPECT_NEAR(target.splits.at("train").sounding_hours, seconds / 3600, 1e-6) << target.name;
  }
}

TEST_F(DoctorDuplicates, SilenceIsNoRecording) {
  RecordingPrinter one, two;
  const std::vector<float> silence(60'000, 0.0f);
  one.Push(silence.data(), silence.size());
  two.Push(silence.data(), silence.size());
  EXPECT_TRUE(FindSameRecordings({one.Finish(), two.Finish()}, {}).empty());
}

TEST_F(DoctorDuplicates, ThePrintDoesNotDependOnTheBlocks) {
  const AudioBuffer audio = Notes(1, 6, RecordingPrint::kSampleRateHz);
  RecordingPrinter whole, pieces;
  whole.Push(audio.channel(0), audio.frames());
  for (std::size_t t = 0; t < audio.frames(); t += 777) {
    pieces.Push(audio.channel(0) + t, std::min<std::size_t>(777, audio.frames() - t));
  }
  const RecordingPrint print = whole.Finish();
  EXPECT_EQ(print.words, pieces.Finish().words);
  EXPECT_NEAR(static_cast<double>(print.words.size()) * RecordingPrint::kHopSeconds, 6, 0.6);
}

}  // namespace
}  // namespace stemsmith
