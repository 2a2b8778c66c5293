// Shipped configurations by name, what `extends` finds, and files that a configuration names.
#include "core/config_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config.h"
#include "core/error.h"
#include "core/files.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::MessageOf;

// In a folder of its own, with one beside it.
class ConfigLibrary : public ::testing::Test {
 protected:
  ConfigLibrary() : before_(fs::current_path()) {
    fs::create_directories(folder_ / "here");
    fs::create_directories(folder_ / "other");
    fs::current_path(folder_ / "here");
  }
  ~ConfigLibrary() override { fs::current_path(before_); }

  static fs::path Shipped(const std::string& name) {
    return fs::canonical(fs::path(STEMSMITH_SOURCE_DIR) / "configs" / name);
  }

  testing::TemporaryFolder folder_;
  fs::path before_;
};

TEST_F(ConfigLibrary, NamesAreFoundFromAnyFolder) {
  EXPECT_EQ(FindConfig("demo_unet"), Shipped("demo_unet.yaml"));
  EXPECT_EQ(FindConfig("demo_unet.yaml"), Shipped("demo_unet.yaml"));
  EXPECT_EQ(FindConfig("models/unet"), Shipped("models/unet.yaml"));
  EXPECT_EQ(FindConfig("musdb4", ConfigKind::kRecipe), Shipped("recipes/musdb4.yaml"));
  EXPECT_THAT(MessageOf([] { FindConfig("demo_unnet"); }), HasSubstr("did you mean 'demo_unet'?"));
  EXPECT_THAT(MessageOf([] { FindConfig("musdb5", ConfigKind::kRecipe); }),
              HasSubstr("did you mean 'musdb4'?"));
  EXPECT_THROW(FindConfig("../README"), Error);
}

TEST_F(ConfigLibrary, APathWinsAndAWordThatIsBothIsAsked) {
  WriteFileAtomically("demo_unet.yaml", "train: {steps: 1}\n");
  EXPECT_EQ(FindConfig("demo_unet.yaml"), "demo_unet.yaml");
  EXPECT_EQ(FindConfig("./demo_unet.yaml"), "./demo_unet.yaml");
  EXPECT_EQ(FindConfig("demo_unet"), Shipped("demo_unet.yaml"));
  fs::create_directory("demo_demucs_v2");  // a run
  EXPECT_EQ(FindConfig("demo_demucs_v2"), Shipped("demo_demucs_v2.yaml"));
  WriteFileAtomically("demo_unet", "train: {steps: 1}\n");
  EXPECT_THAT(MessageOf([] { FindConfig("demo_unet"); }),
              AllOf(HasSubstr("./demo_unet"), HasSubstr("demo_unet.yaml")));
}

TEST_F(ConfigLibrary, ACopyElsewhereExtendsWhatIsShipped) {
  fs::copy_file(Shipped("demo_unet.yaml"), "my.yaml");
  EXPECT_EQ(Config::Load("my.yaml").Child("train").Integer("steps", 0), 460);
  EXPECT_EQ(Config::Load("my.yaml").Child("train").Integer("batch_size", 0), 8);  // of base.yaml
  WriteFileAtomically("base.yaml", "train: {batch_size: 3}\n");  // beside it: this one
  EXPECT_EQ(Config::Load("my.yaml").Child("train").Integer("batch_size", 0), 3);
  WriteFileAtomically("lost.yaml", "# mine\nextends: bass.yaml\n");
  EXPECT_THAT(
      MessageOf([] { Config::Load("lost.yaml"); }),
      AllOf(HasSubstr("bass.yaml"), HasSubstr("lost.yaml:2"), HasSubstr("did you mean 'base'?")));
}

TEST_F(ConfigLibrary, TheTextToEditIsTheSameConfigurationAndStandsAlone) {
  for (const ShippedConfig& config : ShippedConfigs()) {
    SCOPED_TRACE(config.name);
    EXPECT_FALSE(config.summary.empty());
    const fs::path file = FindConfig(config.name);
    const std::string text = ConfigToEdit(file);
    EXPECT_EQ(Config::Parse(text, "edited").Dump(false), Config::Load(file).Dump(false)) << text;
  }
  const std::string text = ConfigToEdit(FindConfig("demo_unet"));
  EXPECT_THAT(text, AllOf(HasSubstr("# The spectrogram U-Net on the demo's songs"),
                          HasSubstr("\n  cache: out/demo/cache.h5  # what `stemsmith prepare`"),
                          HasSubstr("\n  segment_seconds: 2.97  # 131072 frames")));
  EXPECT_EQ(text.find("\nextends"), std::string::npos);
}

TEST_F(ConfigLibrary, FilesLieHereOrBesideTheConfiguration) {
  const auto write = [](const fs::path& path) { WriteFileAtomically(path, "x"); };
  const fs::path other = folder_ / "other";
  WriteFileAtomically(other / "run.yaml", "dataset: {cache: songs.h5}\n");
  WriteFileAtomically("run.yaml", "dataset: {cache: songs.h5}\n");
  const auto found = [](const fs::path& config) {
    return Config::Load(config).Child("dataset").Path("cache");
  };
  EXPECT_THAT(
      MessageOf([&] { Config::Load(other / "run.yaml").Child("dataset").CheckPath("cache"); }),
      AllOf(HasSubstr((other / "songs.h5").string()), HasSubstr(" and songs.h5"),
            HasSubstr("run.yaml:1")));
  EXPECT_EQ(found(other / "run.yaml"), "songs.h5");
  write("songs.h5");
  EXPECT_EQ(found(other / "run.yaml"), "songs.h5");
  write(other / "songs.h5");  // outside of the current folder, its own come first
  EXPECT_EQ(found(other / "run.yaml"), fs::canonical(other) / "songs.h5");
  EXPECT_EQ(found("run.yaml"), "songs.h5");
  fs::create_directory("below");
  WriteFileAtomically("below/run.yaml", "dataset: {cache: songs.h5}\n");
  write("below/songs.h5");
  EXPECT_EQ(found("below/run.yaml"), "songs.h5");
  EXPECT_NO_THROW(Config::Load("below/run.yaml").Child("dataset").CheckPath("cache"));
}

}  // namespace
}  // namespace stemsmith
