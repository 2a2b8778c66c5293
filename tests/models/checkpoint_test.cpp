#include "models/checkpoint.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "core/files.h"
#include "models/build_memory.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace {

class EveryModelStored : public ModelTableTest {};
INSTANTIATE_TEST_SUITE_P(Table, EveryModelStored, AllModels(),
                         [](const auto& info) { return info.param; });

Checkpoint Describe(const std::string& name, const SeparationModel& model) {
  Checkpoint checkpoint;
  checkpoint.model_config = TinyConfig(name).Dump();
  checkpoint.setting = model.setting();
  checkpoint.segment_frames = 4096;
  checkpoint.weights = model.StateDict();
  return checkpoint;
}

TEST_P(EveryModelStored, ACheckpointGivesTheSameModelBack) {
  TemporaryFolder folder;
  const auto model = TinyModel(GetParam());
  // Buffers (running averages) must travel too: move them off their initial values.
  model->train();
  model->forward(torch::randn({2, 2, 9001}));
  model->eval();
  Checkpoint checkpoint = Describe(GetParam(), *model);
  checkpoint.training = {{"optimizer.step", torch::tensor(12)}, {"ema.x", torch::randn({3})}};
  checkpoint.training_state = {{"step", 12}, {"best", {{"sdr_db", 3.5}}}};
  SaveCheckpoint(folder / "c.safetensors", checkpoint);

  const Checkpoint loaded = LoadCheckpoint(folder / "c.safetensors");
  EXPECT_EQ(loaded.model_config, checkpoint.model_config);
  EXPECT_EQ(loaded.setting.stems, checkpoint.setting.stems);
  EXPECT_EQ(loaded.setting.sample_rate_hz, 44100);
  EXPECT_EQ(loaded.setting.channels, 2);
  EXPECT_EQ(loaded.segment_frames, 4096);
  EXPECT_EQ(loaded.training_state, checkpoint.training_state);
  ASSERT_EQ(loaded.training.size(), 2u);
  EXPECT_EQ(loaded.training[1].first, "ema.x");
  EXPECT_TRUE(torch::equal(loaded.training[1].second, checkpoint.training[1].second));

  torch::NoGradGuard no_grad;
  torch::manual_seed(99);  // the weights come from the file alone
  const auto again = ModelFromCheckpoint(loaded);
  EXPECT_FALSE(again->is_training());
  const auto mix = torch::randn({1, 2, 5001});
  EXPECT_TRUE(torch::equal(again->forward(mix), model->forward(mix)));
}

TEST(Checkpoint, ForeignWeightsAndNewerVersionsAreRefused) {
  TemporaryFolder folder;
  SaveSafetensors(folder / "bare.safetensors", {{"a", torch::zeros({2})}}, {{"format", "pt"}});
  EXPECT_THROW(LoadCheckpoint(folder / "bare.safetensors"), Error);
  for (
      const char* description :
      {"", "nonsense", "[]", "{\"version\":1}", "{\"version\":\"x\"}",
       R"({"version":2,"model_config":"name: unet","stems":["a"],"sample_rate_hz":44100,"channels":2,"segment_frames":9})",
       R"({"version":1,"model_config":"name: unet","stems":[],"sample_rate_hz":44100,"channels":2,"segment_frames":9})",
       R"({"version":1,"model_config":"name: unet","stems":["a"],"sample_rate_hz":44100,"channels":0,"segment_frames":9})"}) {
    SaveSafetensors(folder / "c.safetensors", {}, {{"stemsmith.checkpoint", description}});
    EXPECT_THROW(LoadCheckpoint(folder / "c.safetensors"), Error) << description;
  }
}

TEST(Checkpoint, NumbersThatAreNoneAreRefusedByName) {
  TemporaryFolder folder;
  const nlohmann::json good = {{"version", 1},   {"model_config", "name: unet"},
                               {"stems", {"a"}}, {"sample_rate_hz", 44100},
                               {"channels", 2},  {"segment_frames", 9000}};
  struct Case {
    const char* key;
    const char* value;
    const char* said;
  };
  const Case cases[] = {
      {"segment_frames", "1e18", "'segment_frames' is 1e+18, not a whole number"},
      {"segment_frames", "1000000000000000000", "'segment_frames' is 1000000000000000000"},
      {"segment_frames", "-5", "'segment_frames' is -5"},
      {"channels", "2.5", "'channels' is 2.5"},
      {"channels", "4294967298", "'channels' is 4294967298"},
      {"sample_rate_hz", "\"44100\"", "'sample_rate_hz' is \"44100\""},
      {"sample_rate_hz", "true", "'sample_rate_hz' is true"},
      {"version", "1.5", "'version' is 1.5"},
      {"stems", "[3]", "'stems' is 3, not a list of texts"},
      {"tail", "3", "'tail' is 3, not a text"},
  };
  for (const Case& test : cases) {
    nlohmann::json about = good;
    about[test.key] = nlohmann::json::parse(test.value);
    SaveSafetensors(folder / "c.safetensors", {}, {{"stemsmith.checkpoint", about.dump()}});
    EXPECT_THAT(MessageOf([&] { LoadCheckpoint(folder / "c.safetensors"); }),
                ::testing::HasSubstr(test.said))
        << test.key << ": " << test.value;
  }
}

TEST(BuildMemory, AModelBeyondTheLimitIsRefusedWhileItIsBuilt) {
  for (const char* config : {"{name: open_unmix, hidden_size: 2048}", "{name: demucs_v2}",
                             "{name: unet, channels: 512}", "{name: htdemucs}"}) {
    const BuildMemory limit(std::int64_t{32} << 20, Error::Usage("too large", "here"));
    EXPECT_EQ(ErrorOf([&] { MakeModel(Config::Parse(config, "m.yaml"), Setting()); }).problem(),
              "too large")
        << config;
  }
  // Behind it nothing is limited.
  EXPECT_NO_THROW(MakeModel(Config::Parse("{name: htdemucs}", "m.yaml"), Setting()));
}

TEST(Checkpoint, ADescriptionFarBeyondItsWeightsIsRefusedBeforeMemoryIsTaken) {
  Checkpoint checkpoint;
  checkpoint.model_config = "{name: open_unmix, n_fft: 64, hop: 16, hidden_size: 16384}";
  checkpoint.setting = Setting();
  checkpoint.segment_frames = 9000;
  checkpoint.weights = {{"x", torch::zeros({3})}};
  // Its first LSTM takes 12 GiB.
  EXPECT_THAT(MessageOf([&] { ModelFromCheckpoint(checkpoint); }),
              ::testing::HasSubstr("far more memory"));
  // And nothing is left of the limit.
  EXPECT_NO_THROW(MakeModel(TinyConfig("open_unmix"), Setting()));
}

TEST(Checkpoint, ARunMeansItsBestCheckpointElseItsLast) {
  TemporaryFolder folder;
  EXPECT_THROW(ResolveCheckpoint(folder / "absent"), Error);
  EXPECT_THROW(ResolveCheckpoint(folder.path()), Error);
  const auto last = folder / "checkpoints/last.safetensors",
             best = folder / "checkpoints/best.safetensors";
  WriteFileAtomically(last, "x");
  EXPECT_EQ(ResolveCheckpoint(folder.path()), last);
  WriteFileAtomically(best, "x");
  EXPECT_EQ(ResolveCheckpoint(folder.path()), best);
  EXPECT_EQ(ResolveCheckpoint(last), last);
  // Its folder of checkpoints means the same, however it is written.
  WriteFileAtomically(folder / "checkpoints/step-5.safetensors", "x");
  EXPECT_EQ(ResolveCheckpoint(folder / "checkpoints"), best);
  EXPECT_EQ(ResolveCheckpoint(folder / "checkpoints/"), best);
}

TEST(Checkpoint, AFolderOfOneFileMeansIt) {
  TemporaryFolder folder;
  WriteFileAtomically(folder / "notes.txt", "x");
  EXPECT_THROW(ResolveCheckpoint(folder.path()), Error);
  for (const char* name : {"htdemucs.safetensors", "last.safetensors", "955717e8.safetensors"}) {
    TemporaryFolder imported;
    WriteFileAtomically(imported / name, "x");
    EXPECT_EQ(ResolveCheckpoint(imported.path()), imported / name);
  }
  WriteFileAtomically(folder / "b.safetensors", "x");
  WriteFileAtomically(folder / "a.safetensors", "x");
  EXPECT_THAT(MessageOf([&] { ResolveCheckpoint(folder.path()); }),
              ::testing::HasSubstr("a.safetensors, b.safetensors"));
}

}  // namespace
}  // namespace stemsmith::testing
