// Every kind of file at every place of a command: what is taken, and what is said of the others.
#include "core/file_content.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Sample {
  FileContent content;
  std::string name;     // within the folder
  std::string command;  // that the answer names where the file is in the wrong place
  std::set<FileUse> taken_by;
};

using enum FileContent;
using enum FileUse;

std::vector<FileUse> AllUses() {
  return {kSeparateModel, kSeparateSong, kTrainConfig, kDatasetRoot, kRecipeFile, kCacheFile,
          kForestFile,    kStartWeights, kImportFile,  kInspectFile, kWatchRun,
          kModelConfig,   kAdapterFile};
}

std::string Safetensors(const std::string& header) {
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  return bytes + header;
}

// The names of a zip archive are near its end.
std::string Archive(const std::string& names) {
  return "PK\x03\x04" + std::string(100, '\0') + names + "PK\x05\x06" + std::string(18, '\0');
}

class FileContentTest : public ::testing::Test {
 protected:
  FileContentTest() {
    const auto write = [&](const std::string& name, const std::string& bytes) {
      fs::create_directories((folder_ / name).parent_path());
      WriteFileAtomically(folder_ / name, bytes);
    };
    const std::string onnx = "\x08\x0a\x12\x09stemsmith"s;
    const std::string ours = Safetensors(R"({"__metadata__":{"stemsmith.checkpoint":"1"}})");
    write("song.wav", "RIFF\x24\0\0\0WAVEfmt "s);
    write("song.mp3", "\xff\xfb\x90\x64\0\0\0\0"s);
    write("song.m4a", "\0\0\0\x20"s + "ftypM4A \0\0\0\0"s);
    write("model.onnx", onnx);
    write("named_otherwise", "r+\n\x12stemsmith.checksum\x12\x15xxh3:0000000000000000"s + onnx);
    write("model.ts", Archive("model/data.pkl model/code/x.py model/constants.pkl"));
    write("export/model.onnx", onnx);
    write("ours.safetensors", ours);
    write("imported/ours.safetensors", ours);
    write("run/checkpoints/best.safetensors", ours);
    write("begun/config.yaml", "model: {name: unet}\n");
    write("begun/metrics.jsonl", "{}\n");
    write("theirs.th", Archive("archive/data.pkl archive/data/0"));
    write("older.th", "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."s);
    write("theirs.safetensors", Safetensors(R"({"__metadata__":{"klass":"demucs"}})"));
    write("lora.safetensors",
          Safetensors(R"({"__metadata__":{"stemsmith.checksum":"xxh3:00"},)"
                      R"("a.lora_A":{"dtype":"F32"},)"
                      R"( "a.lora_B": {"dtype": "F32"}})"));
    write("base_too.safetensors",
          Safetensors(R"({"a.lora_A":{"dtype":"F32"},"a.weight":{"dtype":"F32"}})"));
    write("lora.ckpt", Archive("X\x08\0\0\0a.lora_A X\x05\0\0\0epochX\x08\0\0\0a.lora_B "s
                               "archive/data.pkl archive/data/0"));
    write("base_too.ckpt", Archive("X\x08\0\0\0a.lora_A X\x08\0\0\0a.weight "s
                                   "archive/data.pkl archive/data/0"));
    write("older_lora.ckpt", "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.X\x08\0\0\0a.lora_A"s);
    write("peft/adapter_config.json", "{}");
    write("peft/adapter_model.safetensors", ours);
    write("int8/model.int8.onnx", onnx);
    write("page.ckpt", "\n<!DOCTYPE html>\n<html></html>"s);
    write("page.yaml", "<html lang=\"en\">model: x"s);
    write("pointer.ckpt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"s);
    write("drums.forest", "stemsmith.forest.checksum=xxh3:0000000000000000\n{}\n");
    write("bag.yaml", "models: ['955717e8', 'f7e0c4bc']\n");
    write("umx/separator.json", "{}");
    write("umx/vocals-1234.pth", "\x80\x02."s);
    write("songs.h5", "\x89HDF\r\n\x1a\n........"s);
    write("songs.h5.d/one.h5", "\x89HDF\r\n\x1a\n"s);
    write("train.yaml", "# mine\nextends: base.yaml\nloss:\n  - {name: l1}\n");
    write("recipe.yaml", "stems:\n  drums: drums\nmixture: sum\n");
  }

  testing::TemporaryFolder folder_;
};

std::vector<Sample> Samples() {
  const std::set<FileUse> song = {kSeparateSong}, model = {kSeparateModel, kInspectFile},
                          import = {kImportFile},
                          weights = {kImportFile, kAdapterFile}, adapters = {kAdapterFile};
  return {
      {kSong, "song.wav", "separate MODEL @ -o DIR", song},
      {kSong, "song.mp3", "separate MODEL @ -o DIR", song},
      {kSong, "song.m4a", "separate MODEL @ -o DIR", song},
      {kOnnx, "model.onnx", "separate @ SONG", model},
      {kOnnx, "named_otherwise", "separate @ SONG", model},
      {kTorchScript, "model.ts", "separate @ SONG", model},
      {kExportFolder, "export", "separate @ SONG", model},
      {kExportFolder, "int8", "separate @ SONG", model},
      {kCheckpoint,
       "ours.safetensors",
       "export @ --out",
       {kStartWeights, kImportFile, kInspectFile, kAdapterFile}},
      {kCheckpoints, "imported", "export @ --out", {kStartWeights, kInspectFile, kAdapterFile}},
      {kRun, "run", "export @ --out", {kStartWeights, kInspectFile, kWatchRun}},
      {kRun, "begun", "watch @", {kStartWeights, kInspectFile, kWatchRun}},
      {kWeights, "theirs.th", "import @ --out", weights},
      {kWeights, "older.th", "import @ --out", weights},
      {kWeights, "theirs.safetensors", "import @ --out", weights},
      {kWeights, "base_too.safetensors", "import @ --out", weights},
      {kWeights, "base_too.ckpt", "import @ --out", weights},
      {kAdapters, "lora.safetensors", "import BASE --lora @ --out", adapters},
      {kAdapters, "lora.ckpt", "import BASE --lora @ --out", adapters},
      {kAdapters, "older_lora.ckpt", "import BASE --lora @ --out", adapters},
      {kAdapters, "peft", "import BASE --lora @ --out", adapters},
      {kHtml, "page.ckpt", "download the file itself", {}},
      {kHtml, "page.yaml", "download the file itself", {}},
      {kLfsPointer, "pointer.ckpt", "git lfs pull", {}},
      {kBag, "bag.yaml", "import @ --out", import},
      {kUnmixFolder, "umx", "import @ --out", import},
      {kForest, "drums.forest", "baseline forest SONG -o DIR --model @", {kForestFile}},
      {kCache, "songs.h5", "dataset.cache=@", {kCacheFile, kInspectFile}},
      {kTrackFolder, "songs.h5.d", "songs.h5", {}},
      {kConfig, "train.yaml", "train @ --run", {kTrainConfig, kModelConfig}},
      {kRecipe, "recipe.yaml", "--recipe @", {kRecipeFile, kModelConfig}},
  };
}

TEST_F(FileContentTest, IsKnownByContent) {
  for (const Sample& sample : Samples()) {
    EXPECT_EQ(ContentOf(folder_ / sample.name), sample.content) << sample.name;
    const fs::path renamed = folder_ / "renamed";  // only YAML needs its ending
    if (fs::is_directory(folder_ / sample.name) || sample.name.ends_with(".yaml")) continue;
    fs::copy_file(folder_ / sample.name, renamed, fs::copy_options::overwrite_existing);
    EXPECT_EQ(ContentOf(renamed), sample.content) << sample.name;
  }
  EXPECT_EQ(ContentOf(folder_ / "absent"), kMissing);
  EXPECT_EQ(ContentOf(folder_.path()), kFolder);
}

TEST_F(FileContentTest, EveryKindAtEveryPlaceIsTakenOrToldWhereItBelongs) {
  for (const Sample& sample : Samples()) {
    const fs::path path = folder_ / sample.name;
    for (const FileUse use : AllUses()) {
      SCOPED_TRACE(sample.name + " at place " + std::to_string(static_cast<int>(use)));
      if (sample.taken_by.contains(use)) {
        EXPECT_NO_THROW(CheckContent(path, use));
        continue;
      }
      std::string command = sample.command;
      if (const auto at = command.find('@'); at != command.npos)
        command.replace(at, 1, path.string());
      EXPECT_THAT(testing::MessageOf([&] { CheckContent(path, use); }),
                  AllOf(HasSubstr("this is " + NameOf(sample.content) + ", not "),
                        HasSubstr("(" + path.string() + ")"), HasSubstr(command)));
    }
  }
}

TEST_F(FileContentTest, WhatIsNotRecognisedPasses) {
  WriteFileAtomically(folder_ / "noise", "\x01\x02\x03\x04\x05"s);
  WriteFileAtomically(folder_ / "empty", "");
  for (const char* name : {"noise", "empty", "absent", "."})
    for (const FileUse use : AllUses()) EXPECT_NO_THROW(CheckContent(folder_ / name, use)) << name;
}

// A folder of songs stays one where a model or weights lie in it, too.
TEST_F(FileContentTest, AFolderWithFoldersIsNotAnExport) {
  fs::create_directories(folder_ / "export/song");
  EXPECT_EQ(ContentOf(folder_ / "export"), kFolder);
}

// What a file extends may be a training configuration or a recipe: whoever opens it says what is
// wrong.
TEST_F(FileContentTest, WhatAFileExtendsDecides) {
  WriteFileAtomically(folder_ / "mine.yaml", "extends: musdb4.yaml\nmixture: sum\n");
  for (const FileUse use : {kTrainConfig, kRecipeFile})
    EXPECT_NO_THROW(CheckContent(folder_ / "mine.yaml", use));
  WriteFileAtomically(folder_ / "more.yaml", "extends: musdb4.yaml\nstems: {a: b}\n");
  EXPECT_NO_THROW(CheckContent(folder_ / "more.yaml", kRecipeFile));
  // What `stemsmith run` takes is no bag of models.
  WriteFileAtomically(folder_ / "flow.yaml", "songs: {root: songs}\nmodels: []\n");
  EXPECT_EQ(ContentOf(folder_ / "flow.yaml"), kText);
}

}  // namespace
}  // namespace stemsmith
