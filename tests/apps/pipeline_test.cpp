// The main job by its programs, on songs small enough for a test: synth → prepare → train → export
// → separate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "audio/decode.h"
#include "core/files.h"
#include "tests/apps/songs_and_cache.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::kStemsmith;
using ::testing::Not;
using testing::ProgramResult;
using testing::RunProgram;

const std::string kSeparate = STEMSMITH_BIN_DIR "/separate";

class Pipeline : public testing::SongsAndCache {
 protected:
  static void SetUpTestSuite() {
    SongsAndCache::SetUpTestSuite();
    WriteFileAtomically(Path("unet.yaml"),
                        "dataset: {cache: " + Path("cache.h5") +
                            ", segment_seconds: 0.4}\n"
                            "augment: [{name: gain, range_db: [-3, 3]}]\n"
                            "model: {name: unet, n_fft: 512, hop: 256, depth: 3, channels: 4}\n"
                            "train: {steps: 30, batch_size: 2, seed: 1}\n"
                            "validate: {every_steps: 10, max_segments: 2}\n"
                            "checkpoint: {every_steps: 5}\n"
                            "report: {seconds: 1}\n");
  }

  static std::string Train(const std::string& run, const std::string& more = "") {
    return kStemsmith + " train " + Path("unet.yaml") + " --run " + Path(run) +
           " --device cpu --threads 1 " + more;
  }
  // The training losses of a run, as written.
  static std::vector<std::string> Losses(const std::string& run) {
    std::vector<std::string> losses;
    std::istringstream lines(ReadFile(Path(run) + "/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto record = nlohmann::json::parse(line);
      if (record.contains("loss")) losses.push_back(record["loss"].dump());
    }
    return losses;
  }
};

TEST_F(Pipeline, TrainsExportsAndSeparatesWithBothFilesAlike) {
  Must(Train("run"));
  for (const char* file :
       {"config.yaml", "metrics.jsonl", "report.html", "checkpoints/last.safetensors"}) {
    EXPECT_TRUE(fs::exists(Path("run") + "/" + file)) << file;
  }
  Must(kStemsmith + " export " + Path("run") + " --out " + Path("model"));
  const std::string song = fs::directory_iterator(Path("songs/test"))->path().string();
  for (const std::string kind : {"onnx", "ts"}) {
    Must(kSeparate + " " + Path("model/model." + kind) + " " + song + "/mixture.wav -o " +
         Path("stems_" + kind) + " --bits 32f --threads 1");
  }
  const auto mixture = ReadAll(*OpenAudio(song + "/mixture.wav"));
  const std::string name = fs::path(song).filename().string();
  AudioBuffer sum(mixture.channels(), mixture.frames());
  for (const std::string stem : {"drums", "bass", "other", "vocals"}) {
    const std::string file = "/" + name + "/" + stem + ".wav";
    const auto onnx = ReadAll(*OpenAudio(Path("stems_onnx") + file));
    const auto script = ReadAll(*OpenAudio(Path("stems_ts") + file));
    ASSERT_EQ(onnx.frames(), mixture.frames());
    ASSERT_EQ(script.frames(), mixture.frames());
    for (std::size_t i = 0; i < onnx.samples().size(); ++i) {
      ASSERT_NEAR(onnx.samples()[i], script.samples()[i], 1e-5);
      sum.samples()[i] += onnx.samples()[i];
    }
  }
  // The default masks sum to one: the stems add up to the mixture.
  for (std::size_t i = 0; i < sum.samples().size(); ++i) {
    ASSERT_NEAR(sum.samples()[i], mixture.samples()[i], 1e-4);
  }
}

// Whoever types what is printed, or what README shows, goes the same way.
TEST_F(Pipeline, NextCommandsAreThoseOfTheReadme) {
  const std::string readme = ReadFile(STEMSMITH_SOURCE_DIR "/README.md");
  const auto expect_next = [&](const std::string& command, const std::string& next) {
    const std::string out = Must("cd " + Path("") + " && " + command).out;
    EXPECT_THAT(out, HasSubstr("next: " + next + "\n"));
    EXPECT_THAT(readme, HasSubstr("\n" + next));
  };
  expect_next(kStemsmith + " prepare folders songs --out songs.h5",
              "stemsmith train demo_unet --run runs/songs --set dataset.cache=songs.h5");
  expect_next(
      kStemsmith + " train unet.yaml --run runs/songs --device cpu --threads 1 --set train.steps=2",
      "stemsmith export runs/songs --out runs/songs/export");
  expect_next(kStemsmith + " export runs/songs --out runs/songs/export",
              "separate runs/songs/export song.mp3 -o my_stems");
  // inspect shows figures as people read them, and all digits to programs.
  const std::string inspect = kStemsmith + " inspect " + Path("runs/songs/export");
  const std::string text = Must(inspect).out;
  EXPECT_THAT(text, HasSubstr("  training     best (loss 0."));
  EXPECT_THAT(text, HasSubstr("step 2\n  versions     libtorch "));
  EXPECT_THAT(text, Not(::testing::ContainsRegex("[0-9]\\.[0-9]{8}|[{}\"]")));
  const nlohmann::json training =
      nlohmann::json::parse(Must(inspect + " --json").out)["manifest"]["training"];
  EXPECT_TRUE(training["best"]["loss"].is_number_float());
}

// Of weights that say their stems: those that a package for Python holds.
TEST_F(Pipeline, ImportTakesAShippedConfigurationByName) {
  Must(kStemsmith + " train demo_demucs_v2 --run " + Path("demucs") +
       " --device cpu --threads 1 --quiet --set train.steps=1 train.batch_size=1 "
       "validate.every_steps=0 dataset.segment_seconds=0.5 dataset.cache=" +
       Path("cache.h5"));
  Must(kStemsmith + " export " + Path("demucs") + " --out " + Path("package") +
       " --format th --name tiny");
  const std::string import =
      "cd " + Path("") + " && " + kStemsmith + " import package/tiny*.th --out imported --config ";
  EXPECT_THAT(Must(import + "demo_demucs_v2").out, HasSubstr("  demucs_v2, "));
  const ProgramResult misspelt = RunProgram(import + "demo_demucs_v3");
  EXPECT_NE(misspelt.status, 0);
  EXPECT_THAT(misspelt.err, HasSubstr("did you mean 'demo_demucs_v2'"));
}

TEST_F(Pipeline, LoaderThreadsDoNotChangeALoss) {
  Must(Train("one", "--set dataset.threads=1"));
  Must(Train("four", "--set dataset.threads=4"));
  const auto one = Losses("one");
  EXPECT_GE(one.size(), 6u);
  EXPECT_EQ(one, Losses("four"));
}

TEST_F(Pipeline, GoesOnWhereAKillCutItOff) {
  Must(Train("whole"));
  // Killed without warning once a checkpoint is there.
  const std::string last = Path("cut") + "/checkpoints/last.safetensors";
  const ProgramResult killed =
      RunProgram(Train("cut") + " & pid=$!; for i in $(seq 600); do [ -e " + last +
                 " ] && break; sleep 0.05; done; kill -9 $pid; wait $pid");
  ASSERT_EQ(killed.status, 137) << killed.err;
  ASSERT_TRUE(fs::exists(last));
  const ProgramResult again = RunProgram(Train("cut"));
  EXPECT_EQ(again.status, 2) << again.err;
  EXPECT_THAT(again.err, HasSubstr("--resume"));
  Must(Train("cut", "--resume"));
  EXPECT_EQ(Losses("cut"), Losses("whole"));
}

TEST_F(Pipeline, StopsAfterACheckpointOnCtrlC) {
  const std::string metrics = Path("stopped") + "/metrics.jsonl";
  const ProgramResult stopped =
      RunProgram(Train("stopped", "--set train.steps=100000 --set schedule.name=constant") +
                 " & pid=$!; for i in $(seq 600); do [ -s " + metrics +
                 " ] && break; sleep 0.05; done; kill -TERM $pid; wait $pid");
  EXPECT_EQ(stopped.status, 143) << stopped.err;
  EXPECT_TRUE(fs::exists(Path("stopped") + "/checkpoints/last.safetensors"));
}

TEST_F(Pipeline, WatchFollowsARunToItsEnd) {
  const std::string metrics = Path("watched") + "/metrics.jsonl";
  const std::string watch = kStemsmith + " watch " + Path("watched");
  const ProgramResult followed =
      RunProgram(Train("watched", "--set train.steps=100000 --set schedule.name=constant --quiet") +
                 " & pid=$!; for i in $(seq 600); do [ -s " + metrics +
                 " ] && break; sleep 0.05; done; (sleep 2; kill -TERM $pid) & " + watch +
                 " --json; wait $pid");
  EXPECT_EQ(followed.status, 143) << followed.err;
  std::vector<nlohmann::json> lines;
  std::istringstream out(followed.out);
  for (std::string line; std::getline(out, line);) lines.push_back(nlohmann::json::parse(line));
  ASSERT_GE(lines.size(), 3u) << followed.out;
  EXPECT_EQ(lines[lines.size() - 2]["event"], "end");
  EXPECT_EQ(lines.back()["event"], "result");
  EXPECT_EQ(lines.back()["state"], "interrupted");
  EXPECT_EQ(lines.back()["total_steps"], 100000);
  // Afterwards it says what there is, and ends.
  const std::string text = Must(watch).out;
  EXPECT_THAT(text, HasSubstr("watched: interrupted, step "));
  EXPECT_THAT(text, HasSubstr("train loss"));
  EXPECT_EQ(RunProgram(kStemsmith + " watch " + Path("songs")).status, 1);
  EXPECT_EQ(RunProgram(watch + " --once --report").status, 2);
}

TEST_F(Pipeline, NamesLineAndNearestNameOfAMisspeltKey) {
  const ProgramResult result = RunProgram(Train("typo", "--set train.batch_sise=4"));
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("batch_sise"));
  EXPECT_THAT(result.err, HasSubstr("did you mean 'batch_size'"));
  EXPECT_FALSE(fs::exists(Path("typo") + "/checkpoints"));
  const ProgramResult model = RunProgram(Train("typo", "--set model.name=unett"));
  EXPECT_EQ(model.status, 2);
  EXPECT_THAT(model.err, HasSubstr("did you mean 'unet'"));
}

TEST_F(Pipeline, RefusesFilesThatAreNoCacheAndNoCheckpoint) {
  WriteFileAtomically(Path("text.h5"), "not a cache");
  const ProgramResult train = RunProgram(Train("bad", "--set dataset.cache=" + Path("text.h5")));
  EXPECT_EQ(train.status, 1) << train.err;
  EXPECT_THAT(train.err, HasSubstr("text.h5"));
  WriteFileAtomically(Path("text.safetensors"), "not a checkpoint");
  const ProgramResult bad =
      RunProgram(kStemsmith + " export " + Path("text.safetensors") + " --out " + Path("none"));
  EXPECT_EQ(bad.status, 1) << bad.err;
  EXPECT_THAT(bad.err, HasSubstr("text.safetensors"));
  EXPECT_FALSE(fs::exists(Path("none/model.onnx")));
}

TEST_F(Pipeline, WrongUseEndsWithTwo) {
  EXPECT_EQ(RunProgram(kStemsmith).status, 2);
  EXPECT_EQ(RunProgram(kStemsmith + " unknown").status, 2);
  EXPECT_EQ(RunProgram(kStemsmith + " prepare folders").status, 2);
  const ProgramResult kind =
      RunProgram(kStemsmith + " prepare folderz " + Path("songs") + " --out " + Path("x.h5"));
  EXPECT_EQ(kind.status, 2);
  EXPECT_THAT(kind.err, HasSubstr("did you mean 'folders'"));
  EXPECT_EQ(RunProgram(kStemsmith + " --help").status, 0);
}

}  // namespace
}  // namespace stemsmith
