// What is wrong with files and names, in every layout: one clear error for the song, the others are
// prepared, and nothing that was prepared before is lost.
#include <functional>

#include "audio/encode.h"
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

constexpr std::size_t kFrames = kNoiseFrames;
constexpr char kOddName[] = "Zoë's \"50 %\" & [∞] $HOME; 曲";

void WriteWav(const fs::path& file, std::uint64_t seed) { WriteStem(file, Noise(seed)); }

void WriteText(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

// A layout with its songs 1 and 2. `write` makes one under a name of its choice where the layout
// leaves names free, and says which file the tests may spoil.
struct Layout {
  const char* kind;
  std::function<fs::path(const fs::path& root, const std::string& split, const std::string& name,
                         std::uint64_t seed)>
      write;
  bool free_names = true, has_names = true;
};

fs::path WriteFolder(const fs::path& root, const std::string& split, const std::string& name,
                     std::uint64_t seed, const std::vector<std::string>& stems) {
  for (const std::string& stem : stems) WriteWav(root / split / name / (stem + ".wav"), seed++);
  return root / split / name / "drums.wav";
}

std::string Cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('"', at)) != text.npos; at += 2) text.insert(at, 1, '"');
  return "\"" + text + "\"";
}

std::vector<Layout> Layouts() {
  return {
      {"folders",
       [](const fs::path& root, const std::string& split, const std::string& name,
          std::uint64_t seed) {
         return WriteFolder(root, split, name, seed, {"drums", "bass"});
       }},
      {"musdb18hq",
       [](const fs::path& root, const std::string& split, const std::string& name,
          std::uint64_t seed) {
         return WriteFolder(root, split, name, seed,
                            {"mixture", "drums", "bass", "other", "vocals"});
       }},
      {"musdb18",
       [](const fs::path& root, const std::string& split, const std::string& name,
          std::uint64_t seed) {
         const fs::path file = root / split / (name + ".stem.mp4");
         fs::create_directories(file.parent_path());
         AudioWriter writer(
             file, 44100, 2,
             {.format = "stem.mp4", .streams = {"mixture", "drums", "bass", "other", "vocals"}});
         std::vector<float> audio(kFrames * 10);
         RandomStream random({seed});
         for (float& sample : audio) sample = static_cast<float>(random.Uniform(-0.2, 0.2));
         writer.Write(audio.data(), kFrames);
         writer.Finish();
         return file;
       }},
      {"slakh",
       [](const fs::path& root, const std::string& split, const std::string& name,
          std::uint64_t seed) {
         const fs::path song = root / split / name;
         WriteText(song / "metadata.yaml",
                   "audio_dir: stems\nstems:\n"
                   "  S00: {audio_rendered: true, inst_class: Drums, is_drum: true, "
                   "program_num: 128}\n"
                   "  S01: {audio_rendered: true, inst_class: Bass, is_drum: false, "
                   "program_num: 33}\n");
         WriteWav(song / "mix.flac", seed);
         WriteWav(song / "stems" / "S01.flac", seed + 1);
         WriteWav(song / "stems" / "S00.flac", seed + 2);
         return song / "stems" / "S00.flac";
       },
       false},
      {"moisesdb",
       [](const fs::path& root, const std::string& split, const std::string& name,
          std::uint64_t seed) {
         const fs::path song = root / split / name;
         WriteText(song / "data.json",
                   R"({"stems": [{"stemName": "drums", "tracks": [{"id": "a"}]},)"
                   R"( {"stemName": "bass", "tracks": [{"id": "b"}]}]})");
         WriteWav(song / "drums" / "a.wav", seed);
         WriteWav(song / "bass" / "b.wav", seed + 1);
         return song / "drums" / "a.wav";
       }},
      {"medleydb",
       [](const fs::path& root, const std::string& split, const std::string& name,
          std::uint64_t seed) {
         const fs::path song = root / split / name;
         WriteText(song / (name + "_METADATA.yaml"),
                   "stem_dir: stems\nmix_filename: mix.wav\nstems:\n"
                   "  S01: {filename: 1.wav, instrument: drum set}\n"
                   "  S02: {filename: 2.wav, instrument: electric bass}\n");
         WriteWav(song / "stems" / "1.wav", seed);
         WriteWav(song / "stems" / "2.wav", seed + 1);
         return song / "stems" / "1.wav";
       }},
      // Songs are takes lined up; the layout has no names of songs.
      {"stem_pools",
       [](const fs::path& root, const std::string&, const std::string& name, std::uint64_t seed) {
         WriteWav(root / "bass" / (name + ".wav"), seed);
         WriteWav(root / "drums" / (name + ".wav"), seed + 1);
         return root / "drums" / (name + ".wav");
       },
       true, false},
      {"csv",
       [](const fs::path& root, const std::string& split, const std::string& name,
          std::uint64_t seed) {
         const fs::path folder = fs::path("audio") / split / name;
         WriteWav(root / folder / "drums.wav", seed);
         WriteWav(root / folder / "bass.wav", seed + 1);
         const bool fresh = !fs::exists(root / "songs.csv");
         std::ofstream table(root / "songs.csv", std::ios::binary | std::ios::app);
         if (fresh) table << "\xEF\xBB\xBFname,split,drums,bass\r\n";
         table << Cell(name) << ',' << split << ',' << Cell((folder / "drums.wav").string()) << ','
               << Cell((folder / "bass.wav").string()) << "\r\n";
         return root / folder / "drums.wav";
       }},
  };
}

class BadInput : public DatasetFixture, public ::testing::WithParamInterface<Layout> {
 protected:
  BadInput() : DatasetFixture(GetParam().kind) {}

  void SetUp() override {
#ifndef STEMSMITH_HAS_LIBAV
    if (kind_ == "musdb18") GTEST_SKIP() << "built without libav";
#endif
  }
  std::string NameOf(int song) const {
    if (!GetParam().free_names) return song == 1 ? "Track00001" : "Track00002";
    return song == 1 ? kOddName : "plain";
  }
  // The file of the song that may be spoilt.
  fs::path Write(int song, const std::string& split = "train") {
    return GetParam().write(root_.path(), split, NameOf(song),
                            static_cast<std::uint64_t>(song) * 10);
  }
};

struct Damage {
  const char* name;
  std::function<void(const fs::path&)> make;
};

std::vector<Damage> Damages() {
  return {
      {"cut off",
       [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) * 6 / 10); }},
      {"empty", [](const fs::path& file) { fs::resize_file(file, 0); }},
      {"a text", [](const fs::path& file) { WriteText(file, "404: the song was not found\n"); }},
      {"noise",
       [](const fs::path& file) {
         std::string bytes(5000, '\0');
         RandomStream random({3});
         for (char& byte : bytes) byte = static_cast<char>(random.Below(256));
         WriteText(file, bytes);
       }},
      {"a link in a circle",
       [](const fs::path& file) {
         fs::remove(file);
         fs::create_symlink(file.filename(), file);
       }},
      {"a folder",
       [](const fs::path& file) {
         fs::remove(file);
         fs::create_directory(file);
       }},
  };
}

TEST_P(BadInput, DamagedFilesAreTheErrorOfTheirSongAndLoseNothing) {
  const fs::path file = Write(1);
  Write(2);
  ASSERT_TRUE(Prepare().failures.empty());
  const std::string good = ReadFile(file);
  for (const Damage& damage : Damages()) {
    SCOPED_TRACE(damage.name);
    damage.make(file);
    const PrepareResult result = Prepare();
    ASSERT_EQ(result.failures.size(), 1u);
    const Error& error = result.failures[0].error;
    EXPECT_EQ(error.code(), ExitCode::kInputFailed);
    EXPECT_THAT(std::string(error.what()),
                AnyOf(HasSubstr(file.filename().string()), HasSubstr(NameOf(1))));
    EXPECT_FALSE(error.where().empty());
    EXPECT_FALSE(error.advice().empty()) << error.what();
    EXPECT_THAT(std::string(error.what()), Not(HasSubstr("\n")));
    EXPECT_EQ(result.kept, 1u);
    EXPECT_EQ(CacheReader(out_ / "cache.h5").tracks().size(), 1u);
    // Mended, it is there again without being decoded again.
    fs::remove(file);
    WriteText(file, good);
    const PrepareResult mended = Prepare();
    EXPECT_TRUE(mended.failures.empty());
    EXPECT_EQ(mended.kept, 2u);
  }
}

TEST_P(BadInput, OddNamesAreKept) {
  Write(1);
  ASSERT_TRUE(Prepare().failures.empty());
  const CacheReader cache(out_ / "cache.h5");
  ASSERT_EQ(cache.tracks().size(), 1u);
  if (GetParam().has_names) {
    EXPECT_EQ(cache.tracks()[0].name, NameOf(1));
  }
}

TEST_P(BadInput, TwoSongsOfOneNameAreTheErrorOfTheSecond) {
  Write(1, "train");
  Write(1, "test");
  const PrepareResult result = Prepare();
  if (!GetParam().has_names) {  // takes of a pool are told apart by their files
    EXPECT_TRUE(result.failures.empty());
    return;
  }
  EXPECT_EQ(result.made, 1u);
  ASSERT_EQ(result.failures.size(), 1u);
  EXPECT_THAT(std::string(result.failures[0].error.what()), HasSubstr(NameOf(1)));
  EXPECT_FALSE(result.failures[0].error.advice().empty());
}

TEST_P(BadInput, FoldersThatLinkToTheirParentsDoNotMatter) {
  const fs::path file = Write(1);
  fs::create_directory_symlink("..", file.parent_path() / "loop");
  fs::create_symlink("circle", root_ / "circle");
  EXPECT_TRUE(Prepare().failures.empty());
}

TEST_P(BadInput, NoSongAtAllIsSaidWithWhatIsExpected) {
  fs::create_directories(root_ / "train" / "something else");
  const std::string message = MessageOf([&] { Prepare(); });
  EXPECT_THAT(message, HasSubstr(root_.path().string()));
  EXPECT_THAT(message, AnyOf(HasSubstr("expected ROOT/"), HasSubstr("give the CSV file")));
  EXPECT_FALSE(fs::exists(out_ / "cache.h5"));
}

INSTANTIATE_TEST_SUITE_P(Layouts, BadInput, ::testing::ValuesIn(Layouts()),
                         [](const ::testing::TestParamInfo<Layout>& row) {
                           return std::string(row.param.kind);
                         });

}  // namespace
}  // namespace stemsmith
