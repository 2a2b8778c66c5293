// `stemsmith run` as a user types it: each step once, again only what is not as it was, and whole
// after a kill.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/files.h"
#include "tests/apps/songs_and_cache.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::ProgramResult;
using testing::RunProgram;

class WholeFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new testing::TemporaryFolder();
    Must(testing::kStemsmith + " synth " + Path("songs") +
         " --songs 3 --seconds 5 --seed 3 --layout folders --valid-songs 1 --test-songs 1");
    WriteFileAtomically(Path("small.yaml"),
                        "dataset: {cache: elsewhere.h5, segment_seconds: 0.4}\n"
                        "model: {name: unet, n_fft: 512, hop: 256, depth: 3, channels: 4}\n"
                        "train: {steps: 6, batch_size: 1, seed: 1}\n"
                        "validate: {every_steps: 3, max_segments: 1}\n"
                        "checkpoint: {every_steps: 1}\n"
                        "report: {songs: 0}\n");
    WriteFileAtomically(Path("flow.yaml"),
                        "songs: {root: songs}\n"
                        "models:\n"
                        "  - {name: small, train: small.yaml, formats: [onnx]}\n"
                        "compare:\n"
                        "  excerpt_seconds: 2\n"
                        "  methods: [{name: bands, baseline: bands}]\n"
                        "  metrics: [snr]\n");
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string Path(const std::string& name) { return (*folder_ / name).string(); }
  static ProgramResult Must(const std::string& command) {
    const ProgramResult result = RunProgram(command);
    EXPECT_EQ(result.status, 0) << command << '\n' << result.out << result.err;
    return result;
  }
  static std::string Flow(const std::string& out, const std::string& more = "") {
    return "cd " + Path("") + " && " + testing::kStemsmith + " run flow.yaml --out " + out +
           " --device cpu --threads 1 " + more;
  }
  // What became of each step, from the lines for programs.
  static std::map<std::string, std::string> States(const ProgramResult& result) {
    std::map<std::string, std::string> states;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line);
      if (json["event"] == "step") states[json["step"]] = json["state"];
    }
    return states;
  }
  using Steps = std::map<std::string, std::string>;

 private:
  inline static testing::TemporaryFolder* folder_ = nullptr;
};

TEST_F(WholeFlow, DoesEachStepOnceAndAgainWhereSomethingChanged) {
  const ProgramResult first = Must(Flow("out"));
  EXPECT_THAT(first.err, AllOf(HasSubstr("[1/5] doctor\n"), HasSubstr("[5/5] compare: ")));
  EXPECT_THAT(first.out, AllOf(HasSubstr("bands"), HasSubstr("small"), HasSubstr("mixture"),
                               HasSubstr("next: separate out/models/small")));
  EXPECT_TRUE(fs::exists(Path("out/models/small/model.onnx")));
  EXPECT_FALSE(fs::exists(Path("out/models/small/model.ts")));
  const Steps all_fresh = {{"doctor", "fresh"},
                           {"prepare", "fresh"},
                           {"train small", "fresh"},
                           {"export small", "fresh"},
                           {"compare", "fresh"}};
  EXPECT_EQ(States(Must(Flow("out", "--json"))), all_fresh);
  const ProgramResult quiet = Must(Flow("out", "--quiet"));
  EXPECT_THAT(quiet.out + quiet.err, IsEmpty());

  // A model file that is lost or not what was written.
  Steps exported = all_fresh;
  exported["export small"] = "done";
  fs::remove(Path("out/models/small/model.onnx"));
  EXPECT_EQ(States(Must(Flow("out", "--json"))), exported);
  fs::resize_file(Path("out/models/small/model.onnx"), 100);
  EXPECT_EQ(States(Must(Flow("out", "--json"))), exported);

  // Other formats take the place of those there were.
  Must(Flow("out", "--set 'models.0.formats=[torchscript]'"));
  EXPECT_FALSE(fs::exists(Path("out/models/small/model.onnx")));
  EXPECT_TRUE(fs::exists(Path("out/models/small/model.ts")));

  // More steps continue the run; other settings begin another one, and keep it.
  EXPECT_THAT(Must(Flow("out", "--set 'models.0.set=[train.steps=8]'")).err,
              Not(HasSubstr("from scratch")));
  EXPECT_FALSE(fs::exists(Path("out/runs/small.1")));
  EXPECT_THAT(Must(Flow("out", "--set 'models.0.set=[train.steps=2]'")).err,
              HasSubstr("has done 8 steps before, more than the 2 of train.steps"));
  EXPECT_THAT(Must(Flow("out", "--set 'models.0.set=[optimizer.lr=1e-4]'")).err,
              HasSubstr("trained from scratch, because it is not as it was: optimizer.lr: "));
  EXPECT_TRUE(fs::exists(Path("out/runs/small.1/checkpoints/last.safetensors")));

  // A training that cannot begin leaves the run where it is.
  const ProgramResult wrong = RunProgram(Flow("out", "--set 'models.0.set=[optimizer.lrr=1]'"));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("unknown key 'lrr'"));
  EXPECT_THAT(wrong.err, Not(HasSubstr("from scratch")));
  EXPECT_FALSE(fs::exists(Path("out/runs/small.2")));
  EXPECT_EQ(States(Must(Flow("out", "--json --set 'models.0.set=[optimizer.lr=1e-4]'"))),
            all_fresh);
}

TEST_F(WholeFlow, AKilledOneContinuesToTheSameFigures) {
  Must(Flow("whole"));
  // While it trains.
  const std::string last = Path("cut/runs/small/checkpoints/last.safetensors");
  const ProgramResult killed =
      RunProgram(Flow("cut") + " & for i in $(seq 600); do [ -e " + last +
                 " ] && break; sleep 0.05; done; pkill -9 -f 'run flow.yaml --out cut'; wait $!");
  ASSERT_EQ(killed.status, 137) << killed.err;
  Must(Flow("cut"));
  for (const char* file : {"results.csv", "results.json"})
    EXPECT_EQ(ReadFile(Path("cut/comparison/") + file), ReadFile(Path("whole/comparison/") + file));
}

TEST_F(WholeFlow, NewSongsAreTrainedOn) {
  Must("cp -r " + Path("songs") + " " + Path("more_songs"));
  const std::string more = "--json --set songs.root=more_songs";
  Must(Flow("more", more));
  const fs::path train = Path("more_songs/train"), stem = train / "another/bass.wav";
  fs::copy(fs::directory_iterator(train)->path(), train / "another", fs::copy_options::recursive);
  const std::string sound = ReadFile(stem);
  WriteFileAtomically(stem, "no sound");
  const ProgramResult stopped = RunProgram(Flow("more", more));
  EXPECT_EQ(stopped.status, 1);
  EXPECT_THAT(stopped.err, HasSubstr("fault of the dataset must be fixed before training"));
  // The others are what they were.
  const Steps others = States(Must(Flow("more", more + " --set doctor=warn")));
  EXPECT_EQ(others.at("doctor"), "done");
  EXPECT_EQ(others.at("train small"), "fresh");

  WriteFileAtomically(stem, sound);
  const Steps all = States(Must(Flow("more", more)));
  for (const auto& [step, state] : all) EXPECT_EQ(state, "done") << step;
  EXPECT_TRUE(fs::exists(Path("more/runs/small.1")));
}

TEST_F(WholeFlow, SongsThatCannotBeUsedAreLeftOut) {
  Must("cp -r " + Path("songs") + " " + Path("damaged_songs"));
  const fs::path test = Path("damaged_songs/test");
  fs::copy(fs::directory_iterator(test)->path(), test / "another", fs::copy_options::recursive);
  WriteFileAtomically(test / "another/bass.wav", "no sound");
  const ProgramResult result =
      Must(Flow("damaged", "--set songs.root=damaged_songs --set doctor=warn --quiet"));
  EXPECT_THAT(result.err, HasSubstr("another"));
  EXPECT_TRUE(fs::exists(Path("damaged/comparison/results.csv")));
  // The same folder, without leave to go on.
  const ProgramResult stopped =
      RunProgram(Flow("damaged", "--set songs.root=damaged_songs --quiet"));
  EXPECT_EQ(stopped.status, 1);
  EXPECT_THAT(stopped.err, HasSubstr("`stemsmith doctor folders "));
}

TEST_F(WholeFlow, OneErrorForWhatCannotBeDone) {
  const auto expect = [&](const std::string& more, int status, const std::string& text) {
    const ProgramResult result = RunProgram(Flow("none", more));
    EXPECT_EQ(result.status, status) << more;
    EXPECT_THAT(result.err, HasSubstr(text)) << more;
  };
  expect("--set 'models=[]'", 2, "there is no model to train");
  expect("--set models.0.train=nothing", 1, "no configuration 'nothing' is shipped");
  expect("--set models.0.name=a/b", 2, "cannot be the name of a method");
  expect("--set 'models.0.formats=[th]'", 2, "there is no format 'th'");
  expect("--set 'models.0.set=[train.steps=-3]'", 2, "'steps' is -3");
  expect("--set 'models.0.set=[dataset.cache=x.h5]'", 2,
         "the cache of a model is that of the songs");
  expect("--set 'models.0.fit=forest'", 2, "needs either `train` or `fit`");
  expect("--set songs.root=absent", 2, "there is no absent");
  expect("--set modles=1", 2, "did you mean 'models'");
  expect("--set compare.method=1", 2, "did you mean 'methods'");
  const ProgramResult within = RunProgram(Flow("songs/out"));
  EXPECT_EQ(within.status, 2);
  EXPECT_THAT(within.err, HasSubstr("would lie within the folder of the songs"));
  EXPECT_FALSE(fs::exists(Path("songs/out")));
  fs::create_directories(Path("train_only"));
  fs::create_symlink(Path("songs/train"), Path("train_only/train"));
  expect("--set songs.root=train_only", 2, "no song is there to compare the models on");
  EXPECT_FALSE(fs::exists(Path("none")));
}

}  // namespace
}  // namespace stemsmith
