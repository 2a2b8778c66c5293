// Files, words and arguments in the wrong place, as a user types them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {
namespace wrong_file {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace std::string_literals;

class WrongFile : public ::testing::Test {
 protected:
  WrongFile() {
    WriteFileAtomically(folder_ / "song.wav", "RIFF\x24\0\0\0WAVEfmt "s);
    WriteFileAtomically(folder_ / "theirs.th",
                        "PK\x03\x04"s + std::string(40, '\0') + "archive/data.pkl archive/data/0PK\x05\x06");
    WriteFileAtomically(folder_ / "model.onnx", "\x08\x0a\x12\x09stemsmith"s);
    WriteFileAtomically(folder_ / "songs.h5", "\x89HDF\r\n\x1a\n........"s);
    std::filesystem::create_directories(folder_ / "run/checkpoints");
    WriteFileAtomically(folder_ / "run/checkpoints/best.safetensors", "x");
  }

  testing::ProgramResult Run(const std::string& command) const {
    return testing::RunProgram("cd '" + folder_.path().string() + "' && " STEMSMITH_BIN_DIR "/" +
                               command);
  }
  std::string Refused(const std::string& command) const {
    const testing::ProgramResult result = Run(command);
    EXPECT_NE(result.status, 0) << command;
    return result.err;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(WrongFile, EachCommandSaysWhatItIsAndWhichTakesIt) {
  const struct {
    const char *command, *what, *advice;
  } cases[] = {
      {"separate theirs.th song.wav -o out", "weights", "stemsmith import theirs.th"},
      {"separate run song.wav -o out", "a training run", "stemsmith export run"},
      {"separate songs.h5 song.wav -o out", "a cache", "stemsmith inspect songs.h5"},
      {"stemsmith inspect theirs.th", "weights", "stemsmith import theirs.th"},
      {"stemsmith inspect song.wav", "a song", "separate MODEL song.wav"},
      {"stemsmith export theirs.th --out out", "weights", "stemsmith import theirs.th"},
      {"stemsmith export model.onnx --out out", "a model", "separate model.onnx SONG"},
      {"stemsmith import song.wav --out out", "a song", "separate MODEL song.wav"},
      {"stemsmith import run --out out", "a training run", "stemsmith export run"},
      {"stemsmith watch model.onnx", "a model", "separate model.onnx SONG"},
      {"stemsmith train songs.h5 --run r", "a cache", "dataset.cache=songs.h5"},
      {"stemsmith train run --run r", "a training run", "stemsmith train run/config.yaml"},
      {"stemsmith doctor folders run", "a training run", "stemsmith watch run"},
      {"stemsmith prepare folders song.wav --out c.h5", "a song", "separate MODEL song.wav"},
  };
  for (const auto& [command, what, advice] : cases)
    EXPECT_THAT(Refused(command), AllOf(HasSubstr(what), HasSubstr(advice))) << command;
}

TEST_F(WrongFile, OfAnyPlaceAmongTheWordsOfSeparate) {
  EXPECT_THAT(Refused("separate song.wav theirs.th -o out"),
              HasSubstr("stemsmith import theirs.th"));
  EXPECT_THAT(Refused("separate run"), HasSubstr("stemsmith export run"));
}

TEST_F(WrongFile, FormatsOfExportAreNamedAndOptionsBelongToSome) {
  EXPECT_THAT(Refused("stemsmith export run --out out --format onxn"),
              AllOf(HasSubstr("did you mean 'onnx'?"),
                    HasSubstr("known: torchscript, onnx, th, safetensors, lora")));
  const struct {
    const char *arguments, *option, *formats;
  } cases[] = {{"--format lora --precision int8", "--precision", "torchscript or onnx"},
               {"--format lora,th --check-song song.wav", "--check-song", "torchscript or onnx"},
               {"--format th --stems vocals", "--stems", "torchscript or onnx"},
               {"--format torchscript --onnx-inline-mib 3", "--onnx-inline-mib", "add onnx to"},
               {"--name vocals", "--name", "th or safetensors"}};
  for (const auto& [arguments, option, formats] : cases)
    EXPECT_THAT(Refused(std::string("stemsmith export run --out out ") + arguments),
                AllOf(HasSubstr("means nothing for --format "),
                      HasSubstr("(" + std::string(option) + ")"), HasSubstr(formats)))
        << arguments;
  // A format that has the option is enough.
  EXPECT_THAT(Refused("stemsmith export run --out out --format lora,onnx --precision int8"),
              ::testing::Not(HasSubstr("means nothing")));
}

TEST_F(WrongFile, NoNameIsNotTheDefault) {
  EXPECT_THAT(Refused("stemsmith config ''"), HasSubstr("its value is empty"));
}

TEST_F(WrongFile, SubcommandsAreNamed) {
  EXPECT_THAT(
      Refused("stemsmith trian x"),
      AllOf(HasSubstr("'trian'"), HasSubstr("did you mean 'train'?"), HasSubstr("separate")));
  const testing::ProgramResult result = Run("stemsmith separate --help");
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("the stems of songs"));
}

TEST_F(WrongFile, AFormatDoesNotSwallowTheSource) {
  EXPECT_THAT(Refused("stemsmith export --format onnx absent --out out"),
              HasSubstr("no such run or checkpoint (absent)"));
}

TEST_F(WrongFile, ConfigurationsAreListedAndPrinted) {
  EXPECT_THAT(Run("stemsmith config").out,
              AllOf(HasSubstr("demo_unet"), HasSubstr("recipes/drums-accompaniment")));
  EXPECT_THAT(Run("stemsmith config demo_unet").out, HasSubstr("  name: unet"));
}

}  // namespace wrong_file
}  // namespace
}  // namespace stemsmith
