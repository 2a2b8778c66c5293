#include "train/init.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith {
namespace {
namespace start {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::MessageOf;
using ::testing::Not;

struct Stop : std::runtime_error {
  Stop() : std::runtime_error("stop") {}
};

constexpr char kModel[] = "model: {name: unet, n_fft: 64, hop: 16, depth: 2, channels: 4}\n";

// Runs that start from the run "base", of the stems low and high.
class InitTest : public testing::TrainingTest {
 protected:
  void SetUp() override { RunTraining("base", {"train.steps=4"}); }

  // A cache of the stems named, which hold anything.
  fs::path Cache(const std::vector<std::string>& stems, int rate = testing::kRate,
                 int channels = 1) {
    const fs::path path = folder_ / ("cache" + std::to_string(++caches_) + ".h5");
    TrackFormat format;
    format.stems = stems;
    format.sample_rate_hz = rate;
    format.channels = channels;
    format.sample_type = CacheSampleType::kFloat32;
    CacheBuilder builder(path, format);
    for (const char* split : {"train", "valid"}) {
      RandomStream random({1});
      std::vector<float> audio(stems.size() * static_cast<std::size_t>(channels) * 4000);
      for (float& sample : audio) sample = static_cast<float>(0.1 * random.Normal());
      builder.AddTrack(split, split, audio);
    }
    builder.Finish();
    return path;
  }

  TrainResult Tune(const fs::path& cache, const std::string& more, const std::string& run = "tuned",
                   bool resume = false, std::function<void(std::int64_t)> after_step = nullptr) {
    TrainRequest request = Request(run);
    request.resume = resume;
    request.after_step = std::move(after_step);
    const std::string text = "dataset: {cache: " + cache.string() +
                             ", segment_seconds: 0.1}\n"
                             "train: {steps: 2, batch_size: 2}\n"
                             "ema: {batch: [0.5]}\n"
                             "optimizer: {lr: 0}\n" +
                             more + "\n";
    return Train(Config::Parse(text, "tune.yaml"), request);
  }
  std::string Base() const { return (folder_ / "base").string(); }
  std::string Problem(const fs::path& cache, const std::string& more) {
    return MessageOf([&] { Tune(cache, more, "refused"); });
  }

  // With a learning rate of 0 the parameters are those that the run started from.
  static void ExpectParametersOf(const NamedTensors& actual, const NamedTensors& wanted,
                                 const std::vector<std::int64_t>& stems) {
    std::map<std::string, torch::Tensor> by_name(wanted.begin(), wanted.end());
    std::size_t moved = 0;
    for (const auto& [name, tensor] : actual) {
      if (name.find("running_") != name.npos || name.find("num_batches") != name.npos) continue;
      torch::Tensor source = by_name.at(name);
      const bool output = name.starts_with("output_") || name == "decoder.1.conv.weight";
      if (output) ++moved, source = source.index_select(1, torch::tensor(stems));
      EXPECT_TRUE(torch::equal(tensor, source)) << name;
    }
    EXPECT_EQ(moved, 3u);
  }

  int caches_ = 0;
};

TEST_F(InitTest, StartsFromTheWeightsOfARunWithStemsInOtherPlaces) {
  const auto base = LoadCheckpoint(CheckpointPath("base", "best"));
  const fs::path cache = Cache({"high", "low"});
  // The model is that of the weights, named or not.
  for (const std::string model : {"", kModel}) {
    const std::string run = model.empty() ? "taken" : "named";
    Tune(cache, model + "init: " + Base(), run);
    const auto last = LoadCheckpoint(CheckpointPath(run, "last"));
    EXPECT_EQ(last.setting.stems, (std::vector<std::string>{"high", "low"}));
    ExpectParametersOf(last.weights, base.weights, {1, 0});
    const std::string average = "average.batch_0.5.";
    NamedTensors averaged;
    for (const auto& [name, tensor] : last.training)
      if (name.starts_with(average)) averaged.emplace_back(name.substr(average.size()), tensor);
    ExpectParametersOf(averaged, base.weights, {1, 0});
  }
  EXPECT_EQ(LoadCheckpoint(CheckpointPath("taken", "last")).model_config,
            Config::Load(folder_ / "taken/config.yaml").Child("model").Dump());
}

TEST_F(InitTest, StemsStartAsOthersWhereAsked) {
  const auto base = LoadCheckpoint(CheckpointPath("base", "best"));
  Tune(Cache({"rest", "low", "high"}), "init: {file: " + Base() + ", copy: {rest: high}}");
  ExpectParametersOf(LoadCheckpoint(CheckpointPath("tuned", "last")).weights, base.weights,
                     {1, 0, 1});
}

TEST_F(InitTest, CopiesOfStemsThatAreNotThereAreNotes) {
  const fs::path cache = Cache({"low", "high"});
  heard_.Take();
  Tune(cache, "init: {file: " + Base() + ", copy: {high: strings, piano: low}}");
  EXPECT_THAT(
      heard_.Take(),
      AllOf(HasSubstr("init.copy: {high: strings} does nothing: the file has no stem "
                      "'strings'"),
            HasSubstr("init.copy: {piano: low} does nothing: the cache has no stem 'piano'"),
            HasSubstr("low kept, high kept"), Not(HasSubstr("warning"))));
  ExpectParametersOf(LoadCheckpoint(CheckpointPath("tuned", "last")).weights,
                     LoadCheckpoint(CheckpointPath("base", "best")).weights, {0, 1});
}

TEST_F(InitTest, NewStemsStartByTheSeed) {
  const fs::path cache = Cache({"low", "rest"});
  const auto scale = [&](const std::string& more, const std::string& run) {
    Tune(cache, more, run);
    for (const auto& [name, tensor] : LoadCheckpoint(CheckpointPath(run, "last")).weights)
      if (name == "decoder.1.conv.weight") return tensor;
    return torch::Tensor();
  };
  const auto tuned = scale("init: " + Base(), "a"), afresh = scale(kModel, "b");
  EXPECT_TRUE(torch::equal(tuned.select(1, 1), afresh.select(1, 1)));
  EXPECT_FALSE(torch::equal(tuned.select(1, 0), afresh.select(1, 0)));
}

TEST_F(InitTest, ResumesWithoutTheFile) {
  const fs::path cache = Cache({"high", "low"});
  const std::string more = "init: " + Base() + "\ncheckpoint: {every_steps: 1}";
  Tune(cache, more, "whole");
  EXPECT_THROW(Tune(cache, more, "parts", false, [](std::int64_t) { throw Stop(); }), Stop);
  fs::rename(folder_ / "base", folder_ / "gone");
  Tune(cache, more, "parts", true);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
}

TEST_F(InitTest, RefusesAnotherModelUnlessInPart) {
  const fs::path cache = Cache({"low", "high"});
  const std::string other = "model: {name: unet, n_fft: 64, hop: 16, depth: 2, channels: 6}\n";
  const std::string problem = Problem(cache, other + "init: " + Base());
  EXPECT_THAT(problem, HasSubstr("channels: 4 → 6"));
  EXPECT_THAT(problem, HasSubstr("partial: true"));
  Tune(cache, other + "init: {file: " + Base() + ", partial: true}");
  const auto base = LoadCheckpoint(CheckpointPath("base", "best"));
  const auto tuned = LoadCheckpoint(CheckpointPath("tuned", "last"));
  const std::map<std::string, torch::Tensor> weights(tuned.weights.begin(), tuned.weights.end());
  std::size_t kept = 0;
  for (const auto& [name, tensor] : base.weights) {
    if (tensor.sizes() != weights.at(name).sizes() || tensor.dim() == 0) continue;  // a count
    EXPECT_TRUE(torch::equal(tensor, weights.at(name))) << name;
    ++kept;
  }
  EXPECT_EQ(kept, 4u) << "scale and bias of input and output";
}

TEST_F(InitTest, TakesWeightsAloneWithTheirStemsAndTheModel) {
  const auto base = LoadCheckpoint(CheckpointPath("base", "best"));
  const std::string bare = (folder_ / "bare.safetensors").string();
  // Under the prefix of another program, and not alone.
  NamedTensors named = {{"loss_fn.window", torch::ones({2})}};
  for (const auto& [name, tensor] : base.weights) named.emplace_back("model." + name, tensor);
  SaveSafetensors(bare, named, {});
  const fs::path cache = Cache({"high", "low"});
  EXPECT_THAT(Problem(cache, kModel + std::string("init: ") + bare),
              HasSubstr("stems: [drums, …]"));
  const std::string init = "init: {file: " + bare + ", stems: [low, high]}";
  EXPECT_THAT(Problem(cache, init), HasSubstr("say it with `model:`"));
  Tune(cache, kModel + init);
  ExpectParametersOf(LoadCheckpoint(CheckpointPath("tuned", "last")).weights, base.weights, {1, 0});
  // Shapes are named, each with the one that is wanted.
  const std::string problem =
      Problem(cache, "model: {name: unet, n_fft: 64, hop: 16, depth: 2, channels: 6}\n" + init);
  EXPECT_THAT(problem, HasSubstr("encoder.0.conv.weight [4, 1, 4, 4] for [6, 1, 4, 4]"));
  EXPECT_THAT(problem, HasSubstr("init.partial: true would keep"));
}

TEST_F(InitTest, RefusesWhatCannotBe) {
  const fs::path cache = Cache({"low", "high"});
  const std::string init = "init: {file: " + Base();
  EXPECT_THAT(Problem(Cache({"low", "high"}, 16000), init + "}"),
              HasSubstr("8000 Hz, the cache holds 16000 Hz"));
  EXPECT_THAT(Problem(Cache({"low", "high"}, testing::kRate, 2), init + "}"),
              HasSubstr("--channels 1"));
  EXPECT_THAT(Problem(cache, init + ", copy: {hihg: low}}"), HasSubstr("did you mean 'high'?"));
  EXPECT_THAT(Problem(cache, init + ", copy: {high: lwo}}"), HasSubstr("did you mean 'low'?"));
  EXPECT_THAT(Problem(cache, init + ", copi: {}}"), HasSubstr("did you mean 'copy'?"));
  EXPECT_THAT(Problem(cache, "init: {partial: true}"), HasSubstr("'file' is missing"));
  EXPECT_THAT(Problem(cache, init + ", stems: [high, low]}"), HasSubstr("init.stems contradicts"));
  EXPECT_THAT(Problem(cache, "init: " + (folder_ / "absent").string()), HasSubstr("no such run"));
  WriteFile(folder_ / "model.th", "PK\x03\x04 archive/data.pkl PK\x05\x06");
  EXPECT_THAT(Problem(cache, "init: " + (folder_ / "model.th").string()),
              HasSubstr("stemsmith import"));
  EXPECT_FALSE(fs::exists(folder_ / "refused"));
}

}  // namespace start
}  // namespace
}  // namespace stemsmith
