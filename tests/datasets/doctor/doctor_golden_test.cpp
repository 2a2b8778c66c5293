// The doctor's words about a tree of each kind that holds something damaged, something unused and a
// contradiction. What it should say lies in tests/datasets/doctor/golden/doctor_KIND.txt.
#include "audio/encode.h"
#include "core/option.h"
#include "datasets/doctor/report.h"
#include "tests/datasets/doctor/doctor_fixture.h"

namespace stemsmith {
namespace {

using testing::DoctorTest;
using testing::kDoctorRateHz;
using testing::Notes;
using testing::Scaled;
namespace fs = std::filesystem;

class DoctorGolden : public DoctorTest {
 protected:
  void Text(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    WriteFileAtomically(root_ / name, text);
  }
  void CutInHalf(const std::string& name) {
    const std::string bytes = ReadFile(root_ / name);
    WriteFileAtomically(root_ / name, bytes.substr(0, bytes.size() / 2));
  }
  // The sum of two recordings, as their mixture.
  static AudioBuffer Sum(std::uint64_t a, std::uint64_t b) {
    AudioBuffer sum = Notes(a);
    const AudioBuffer other = Notes(b);
    for (std::size_t i = 0; i < sum.samples().size(); ++i) sum.samples()[i] += other.samples()[i];
    return sum;
  }
  void StemFile(const std::string& name, std::uint64_t seed,
                const std::vector<std::string>& titles) {
    fs::create_directories((root_ / name).parent_path());
    AudioWriter writer(root_ / name, 44100, 2, {.format = "stem.mp4", .streams = titles});
    const auto streams = titles.size();
    std::vector<float> block;
    std::vector<AudioBuffer> stems;
    for (std::size_t s = 0; s < streams; ++s) stems.push_back(Notes(seed + s, 4, 44100));
    for (std::size_t t = 0; t < stems[0].frames(); ++t) {
      for (std::size_t s = 0; s < streams; ++s) {
        for (int c = 0; c < 2; ++c) {
          float sample = stems[s].channel(c)[t];
          if (s == 0) {  // the mixture
            sample = 0;
            for (std::size_t k = 1; k < streams; ++k) sample += stems[k].channel(c)[t];
          }
          block.push_back(sample);
        }
      }
    }
    writer.Write(block.data(), stems[0].frames());
    writer.Finish();
  }
  void Expect(const std::string& kind, const fs::path& recipe = {}) {
    DoctorOptions options = Options(kind);
    options.recipe = recipe;
    std::string text =
        ShowOptions(DoctorText(options, ExamineDataset(options), false), OptionStyle::kFlag);
    const std::string root = root_.path().string();
    for (std::size_t at = text.find(root); at != text.npos; at = text.find(root)) {
      text.replace(at, root.size(), "ROOT");
    }
    const std::string golden =
        ReadFile(fs::path(STEMSMITH_SOURCE_DIR) / "tests/datasets/doctor/golden" /
                 ("doctor_" + kind + ".txt"));
    EXPECT_EQ(text, golden) << text;
  }
};

TEST_F(DoctorGolden, Folders) {
  Write("train/Good/drums.wav", Notes(1));
  Write("train/Good/bass.wav", Notes(2));
  Write("train/Good/mixture.wav", Sum(1, 2));
  Write("train/Damaged/drums.wav", Notes(3));
  Write("train/Damaged/bass.wav", Notes(4));
  CutInHalf("train/Damaged/bass.wav");
  Write("train/Twice/drums.wav", Notes(5));
  Write("train/Twice/drums.flac", Notes(5));
  Write("val/Other/drums.wav", Notes(6));
  Write("val/Other/bass.wav", Notes(7));
  Text("train/Good/old/drums.wav", "unused");
  Text("train/Good/vocals.npy", "unused");
  Text("train/Artist/Album/Song/drums.wav", "unused");
  Text("bonus/Song/drums.wav", "unused");
  Text("train/loose.wav", "unused");
  Text("train/Good/notes.txt", "of no interest");
  Expect("folders");
}

TEST_F(DoctorGolden, Musdb18) {
  if (!fs::exists(ProgramFolder().parent_path() / "lib/libstemsmith_libav.so")) {
    GTEST_SKIP() << "needs the libav module";
  }
  const std::vector<std::string> order = {"mixture", "drums", "bass", "other", "vocals"};
  StemFile("train/Good.stem.mp4", 10, {"Mix", "Vocals", "Drums", "Bass", "Other"});
  StemFile("train/Twice.stem.mp4", 20, {"Mix", "Drums", "Drums", "Other", "Vocals"});
  StemFile("test/Other.stem.m4a", 30, order);
  Text("test/Damaged.stem.mp4", "");
  Text("train/take.m4a", "unused");
  Text("train/Song/drums.wav", "unused");
  Text("dev/readme.txt", "of no interest");
  Expect("musdb18");
}

TEST_F(DoctorGolden, Musdb18Hq) {
  std::uint64_t seed = 40;
  for (const std::string song : {"train/Good", "validation/Other"}) {
    const std::uint64_t first = ++seed;
    for (const char* stem : {"drums", "bass", "other", "vocals"}) {
      Write(song + "/" + stem + ".wav", Notes(seed++));
    }
    AudioBuffer mixture = Sum(first, first + 1);
    const AudioBuffer rest = Sum(first + 2, first + 3);
    for (std::size_t i = 0; i < mixture.samples().size(); ++i) {
      mixture.samples()[i] += rest.samples()[i];
    }
    Write(song + "/mixture.wav", mixture);
  }
  Write("validation/Other/mixture.wav", Notes(90));  // of another song
  Write("train/Lacking/drums.wav", Notes(91));
  Text("train/Damaged/mixture.wav", "no audio");
  for (const char* stem : {"drums", "bass", "other", "vocals"}) {
    Write(std::string("train/Damaged/") + stem + ".wav", Notes(seed++));
  }
  Text("train/Good/accompaniment.wav", "unused");
  Text("train/one.stem.mp4", "unused");
  Expect("musdb18hq");
}

TEST_F(DoctorGolden, Slakh) {
  const std::string head = "audio_dir: Volumes/somewhere/else\nstems:\n";
  const std::string bass =
      "  S00: {audio_rendered: true, inst_class: Bass, is_drum: false, program_num: 33}\n";
  const std::string drums =
      "  S01: {audio_rendered: true, inst_class: Drums, is_drum: true, program_num: 128}\n";
  const std::string flute =
      "  S02: {audio_rendered: false, inst_class: Pipe, is_drum: false, program_num: 73}\n";
  std::uint64_t seed = 100;
  for (const std::string song : {"train/Track00001", "train/Track00002", "train/Track00003",
                                 "validation/Track01501", "omitted/Track00004"}) {
    Text(song + "/metadata.yaml", head + bass + drums + flute);
    Write(song + "/stems/S00.flac", Notes(seed));
    Write(song + "/stems/S01.flac", Notes(seed + 1));
    Write(song + "/mix.flac", Sum(seed, seed + 1));
    seed += 2;
  }
  Text("train/Track00002/stems/S00.flac", "");
  fs::remove(root_ / "train/Track00003/stems/S01.flac");
  Text("train/Track00001/stems/S07.flac", "unused");
  Text("train/Leftovers/one.flac", "unused");
  Expect("slakh");
}

TEST_F(DoctorGolden, MoisesDb) {
  const std::string metadata =
      R"({"stems": [{"stemName": "drums", "tracks": [{"id": "a", "trackType": "kick drum"}]},)"
      R"( {"stemName": "bass", "tracks": [{"id": "b", "trackType": "bass guitar"}]},)"
      R"( {"stemName": "drums", "tracks": [{"id": "c", "trackType": "cymbals"}]}]})";
  std::uint64_t seed = 500;
  for (const char digit : {'1', '2', '3', '4'}) {
    const std::string song =
        "moisesdb_v0.1/0000000" + std::string(1, digit) + "-0000-8000-8000-000000000000/";
    Text(song + "data.json", metadata);
    Write(song + "drums/a.wav", Notes(seed++));
    Write(song + "bass/b.wav", Notes(seed++, 3, 44100), SampleFormat::kInt16, 44100);
    Write(song + "drums/c.wav", Notes(seed++));
    if (digit == '2') Text(song + "data.json", "{");
    if (digit == '3') fs::remove(root_ / (song + "bass/b.wav"));
    if (digit == '4') Text(song + "drums/c.wav", "");
    if (digit == '1') Text(song + "drums/d.wav", "unused");
  }
  Expect("moisesdb");
}

TEST_F(DoctorGolden, MedleyDb) {
  std::uint64_t seed = 600;
  for (const std::string song : {"A_Good", "A_Damaged", "A_Lacking", "A_Unsaid"}) {
    if (song != "A_Unsaid") {
      Text("Metadata/" + song + "_METADATA.yaml",
           "mix_filename: " + song + "_MIX.wav\nstem_dir: " + song +
               "_STEMS\nstems:\n  S01: {filename: 1.wav, instrument: electric bass}\n"
               "  S02: {filename: 2.wav, instrument: [male singer, vocalists]}\n"
               "  S03: {filename: 3.wav, instrument: male singer}\n");
    }
    const std::string folder = "Audio/" + song + "/" + song;
    for (const char* stem : {"1", "2", "3"})
      Write(folder + "_STEMS/" + stem + ".wav", Notes(seed++));
    Write(folder + "_MIX.wav", Notes(seed++));  // mastered beyond recognition
  }
  CutInHalf("Audio/A_Damaged/A_Damaged_STEMS/1.wav");
  fs::remove(root_ / "Audio/A_Lacking/A_Lacking_STEMS/3.wav");
  Text("Audio/A_Good/A_Good_STEMS/4.wav", "unused");
  Text(
      "recipe.yaml",
      "stems: {bass: {instrument: electric bass}, voices: {instrument: [male singer, vocalists]}}");
  Expect("medleydb", root_ / "recipe.yaml");
}

TEST_F(DoctorGolden, StemPools) {
  Write("train/drums/a.wav", Notes(200));
  Write("train/drums/b.wav", Notes(201));
  CutInHalf("train/drums/b.wav");
  Write("train/bass/a.wav", Notes(202));
  Write("val/drums/c.wav", Notes(203));
  Write("val/bass/c.wav", Notes(202));  // heard in training, too
  Text("train/drums/c.xyz", "unused");
  Text("train/drums/more/d.wav", "unused");
  Text("keys/a.wav", "unused");
  Expect("stem_pools");
}

TEST_F(DoctorGolden, Csv) {
  for (std::uint64_t song = 0; song < 3; ++song) {
    const std::string folder = "files/" + std::to_string(song);
    Write(folder + "/drums.wav", Notes(300 + 2 * song));
    Write(folder + "/bass.wav", Notes(301 + 2 * song));
  }
  CutInHalf("files/1/bass.wav");
  Text("songs.csv",
       "sep=;\nName;Split;drums_path;bass_path;duration\n"
       "Good;Train;files/0/drums.wav;files/0/bass.wav;4\n"
       "Damaged;Train;files/1/drums.wav;files/1/bass.wav;4\n"
       "Missing;Val;files/2/drums.wav;files/2/base.wav;4\n"
       "Good;Test;files/2/drums.wav;files/2/bass.wav;4\n;;;;\n");
  Expect("csv");
}

TEST_F(DoctorGolden, SongsWithOneStemAndTheRecipeThatMakesSenseOfThem) {
  for (const std::string song : {"train/a", "train/b"}) {
    Write(song + "/vocals.wav", Notes(song.back()));
    Write(song + "/mixture.wav", Sum(song.back(), 400));
  }
  const DoctorResult result = Examine();
  EXPECT_THAT(result.findings,
              ::testing::Contains(testing::IsFinding(Severity::kRemark, "recipe", "/", "vocals")))
      << AllOf(result);
  const DoctorResult sensible =
      ExamineWith("stems: {vocals: vocals}\nmixture: recorded\nresidual: accompaniment\n");
  EXPECT_EQ(sensible.errors(), 0u) << AllOf(sensible);
  for (const Finding& finding : sensible.findings) EXPECT_NE(finding.kind, "recipe");
}

TEST_F(DoctorGolden, NamesOfUnusedThingsAreAllInTheJson) {
  WriteGoodSongs();
  for (int i = 0; i < 7; ++i) Text("more/song " + std::to_string(i) + "/drums.wav", "unused");
  const DoctorOptions options = Options();
  const nlohmann::json json = DoctorJson(options, Without("split", ExamineDataset(options)));
  ASSERT_EQ(json["findings"].size(), 1u);
  EXPECT_EQ(json["findings"][0]["kind"], "unused");
  EXPECT_EQ(json["findings"][0]["severity"], "remark");
  EXPECT_EQ(json["findings"][0]["names"].size(), 7u);
  EXPECT_EQ(json["findings"][0]["names"][6], "more/song 6");
}

}  // namespace
}  // namespace stemsmith
