// Training on magnitudes: from audio and from stored spectrograms.
#include <gmock/gmock.h>

#include <cstdio>

#include "core/files.h"
#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith::testing::spectrogram_training_test {
namespace {

using ::testing::HasSubstr;

constexpr SpectrogramFormat kFormat{.n_fft = 64, .hop = 16};  // as the fixture's model

class SpectrogramTraining : public TrainingTest {
 protected:
  // Trains on magnitudes, from the cache `name`; the fixture's model, without augmentation.
  TrainResult TrainOn(const std::string& name, const std::string& run,
                      std::vector<std::string> settings = {}, bool resume = false,
                      std::function<void(std::int64_t)> after_step = nullptr) {
    const std::string cache = (folder_ / name).string();
    for (const char* common :
         {"augment=[]", "loss=[{name: l1, domain: spectrogram}]", "train.steps=25"})
      settings.insert(settings.begin(), common);
    settings.push_back("dataset.cache=" + cache);
    return RunTraining(run, settings, resume, std::move(after_step));
  }
  void MakeCaches() {
    MakeCache(folder_ / "audio.h5");
    MakeCache(folder_ / "float32.h5", 3, 0.3, kFormat);
    MakeCache(folder_ / "float16.h5", 3, 0.3, kFormat, CacheSampleType::kFloat16);
  }
  // Largest relative difference of the losses of two runs.
  double WorstLoss(const std::string& a, const std::string& b, const std::string& event,
                   std::size_t expected) {
    const std::vector<double> left = Losses(a, event), right = Losses(b, event);
    EXPECT_EQ(left.size(), expected);
    EXPECT_EQ(right.size(), expected);
    double worst = 0;
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i)
      worst = std::max(worst, std::abs(left[i] - right[i]) / std::abs(left[i]));
    std::printf("%s losses of %s and %s: largest relative difference %.2g\n", event.c_str(),
                a.c_str(), b.c_str(), worst);
    return worst;
  }
};

// The transforms differ in their last bits only (kissfft when the cache is made, LibTorch's in a
// step), and training carries these on. float16 rounds each magnitude to 11 bits.
TEST_F(SpectrogramTraining, GivesTheLossesOfTrainingFromAudio) {
  MakeCaches();
  for (const char* loss :
       {"[{name: l1, domain: spectrogram}]",
        "[{name: mse, domain: spectrogram}, {name: l1, domain: spectrogram, weight: 0.3}]"}) {
    const std::string settings = std::string("loss=") + loss;
    const std::string kind = loss[8] == 'l' ? "l1" : "mse";
    for (const char* cache : {"audio", "float32", "float16"})
      TrainOn(std::string(cache) + ".h5", kind + "_" + cache, {settings});
    EXPECT_LE(WorstLoss(kind + "_audio", kind + "_float32", "train", 25), 1e-5);
    EXPECT_LE(WorstLoss(kind + "_audio", kind + "_float32", "validation", 7), 1e-5);
    EXPECT_LE(WorstLoss(kind + "_audio", kind + "_float16", "train", 25), 1e-3);
    EXPECT_LT(Losses(kind + "_audio", "train").back(), Losses(kind + "_audio", "train").front());
  }
}

TEST_F(SpectrogramTraining, DrawsTheSameSamplesByLevel) {
  MakeCaches();
  // Of the songs' ends some draws are too quiet, as they begin or end in silence.
  for (const char* cache : {"audio", "float32"})
    TrainOn(std::string(cache) + ".h5", cache, {"dataset.min_rms_db=-13.55", "train.steps=12"});
  TrainOn("audio.h5", "any", {"train.steps=12"});
  EXPECT_NE(Losses("any", "train"), Losses("audio", "train"));
  EXPECT_LE(WorstLoss("audio", "float32", "train", 12), 1e-5);
}

TEST_F(SpectrogramTraining, ResumesFromSpectrogramsWithTheSameBits) {
  MakeCaches();
  struct Crash {};
  TrainOn("float32.h5", "whole");
  EXPECT_THROW(TrainOn("float32.h5", "parts", {}, false,
                       [](std::int64_t step) {
                         if (step == 10) throw Crash();
                       }),
               Crash);
  TrainOn("float32.h5", "parts", {}, true);
  ExpectSameCheckpoint(CheckpointPath("whole", "last"), CheckpointPath("parts", "last"));
}

TEST_F(SpectrogramTraining, TrainedModelSeparatesAudio) {
  MakeCaches();
  TrainOn("float32.h5", "stored", {"train.steps=80", "optimizer.lr=0.01"});
  const Checkpoint checkpoint = LoadCheckpoint(CheckpointPath("stored", "best"));
  const auto model = ModelFromCheckpoint(checkpoint);
  model->eval();
  EXPECT_EQ(model->length_rule().AtLeast(checkpoint.segment_frames), checkpoint.segment_frames);
  torch::NoGradGuard no_grad;
  const std::vector<float> song = TwoStems(4000, 100);
  const torch::Tensor stems =
      torch::from_blob(const_cast<float*>(song.data()), {1, 2, 1, 4000}, torch::kFloat32);
  const torch::Tensor mix = stems.sum(1);
  const torch::Tensor estimates = model->forward(mix);
  for (int s = 0; s < 2; ++s) {
    const auto energy = [&](const torch::Tensor& x) { return x.square().sum().item<double>(); };
    const torch::Tensor stem = stems.select(1, s);
    EXPECT_LT(energy(estimates.select(1, s) - stem), 0.5 * energy(mix - stem)) << s;
  }
}

TEST_F(SpectrogramTraining, ValidatesWaveformsWhereThereAreAny) {
  MakeCaches();
  const TrainResult audio = TrainOn("audio.h5", "audio"), stored = TrainOn("float32.h5", "stored");
  EXPECT_TRUE(audio.best["mean_sdr_db"].is_number());
  EXPECT_TRUE(audio.best["sdr_db"]["low"].is_number());
  EXPECT_TRUE(stored.best["mean_sdr_db"].is_null());
  EXPECT_TRUE(stored.best["sdr_db"].empty());
  double lowest = 1e9;
  for (const double loss : Losses("stored", "validation")) lowest = std::min(lowest, loss);
  EXPECT_EQ(stored.best["loss"].get<double>(), lowest) << "the best by loss";
}

TEST_F(SpectrogramTraining, AugmentsOnlyAudio) {
  MakeCaches();
  const std::string gain = "augment=[{name: gain, probability: 0.0}]";
  const std::string message = MessageOf([&] { TrainOn("float32.h5", "run", {gain}); });
  EXPECT_THAT(message, HasSubstr("magnitudes do not add"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
  EXPECT_NO_THROW(TrainOn("audio.h5", "audio", {"augment=[{name: remix}, {name: gain}]"}));
}

TEST_F(SpectrogramTraining, SaysWhatDoesNotFit) {
  MakeCaches();
  const auto message = [&](const char* cache, const std::string& setting) {
    return MessageOf([&] { TrainOn(cache, "run", {setting}); });
  };
  EXPECT_THAT(message("float32.h5", "loss=[{name: l1}]"), HasSubstr("domain: spectrogram"));
  EXPECT_THAT(message("float32.h5", "model.n_fft=128"), HasSubstr("--spectrogram 128,16"));
  EXPECT_THAT(message("float32.h5", "model.hop=8"), HasSubstr("--spectrogram 64,8"));
  for (const char* cache : {"float32.h5", "audio.h5"}) {
    EXPECT_THAT(message(cache, "model={name: demucs_v2, channels: 4, depth: 2}"),
                HasSubstr("does not look at magnitudes"));
  }
  EXPECT_THAT(message("audio.h5", "loss=[{name: l1, domain: spectrogram}, {name: mse}]"),
              HasSubstr("cannot be combined"));
  EXPECT_THAT(message("audio.h5", "loss=[{name: l1, domain: spectrogram, n_fft: 64}]"),
              HasSubstr("n_fft"));
}

TEST_F(SpectrogramTraining, RecordsDrawsOfDamagedAudio) {
  MakeCaches();
  const std::filesystem::path track = folder_ / "float32.h5.d/train1.h5";
  std::string bytes = ReadFile(track);
  for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 4096; ++i) bytes[i] ^= 4;
  WriteFile(track, bytes);
  EXPECT_THAT(MessageOf([&] { TrainOn("float32.h5", "fails"); }), HasSubstr("damaged"));
  heard_.Take();
  const TrainResult result = TrainOn("float32.h5", "skips", {"dataset.on_error=skip"});
  EXPECT_THAT(heard_.Take(), HasSubstr("train1"));
  EXPECT_GT(result.skipped_draws, 0);
  std::int64_t recorded = 0;
  for (const auto& record : MetricsLog::Read(folder_ / "skips/metrics.jsonl"))
    if (record["event"] == "train") recorded = record["skipped_draws"].get<std::int64_t>();
  EXPECT_GT(recorded, 0);
  EXPECT_LE(recorded, result.skipped_draws);
}

}  // namespace
}  // namespace stemsmith::testing::spectrogram_training_test
