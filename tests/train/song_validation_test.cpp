#include "train/song_validation.h"

#include <gmock/gmock.h>

#include "audio/decode.h"
#include "evaluate/metrics.h"
#include "export/export.h"
#include "models/model_runtime.h"
#include "separate/stem_stream.h"
#include "tests/support/error_of.h"
#include "tests/train/training_fixture.h"

namespace stemsmith::testing::songs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Song number `song` of the split valid, as TwoStems has it.
struct Song {
  std::int64_t frames;
  std::uint64_t number;
  std::string name() const { return "valid" + std::to_string(number); }
};

void MakeSongs(const std::filesystem::path& path, const std::vector<Song>& songs) {
  TrackFormat format;
  format.stems = {"low", "high"};
  format.sample_rate_hz = kRate;
  format.channels = 1;
  format.sample_type = CacheSampleType::kFloat32;
  CacheBuilder builder(path, format);
  builder.AddTrack("train", "train", TwoStems(12000, 1));
  for (const Song& song : songs)
    builder.AddTrack(song.name(), "valid", TwoStems(song.frames, song.number));
  builder.Finish();
}

// The mixture of a song as a file that `separate` opens.
class FileReader : public AudioReader {
 public:
  explicit FileReader(const Song& song) {
    const std::vector<float> stems = TwoStems(song.frames, song.number);
    for (std::int64_t t = 0; t < song.frames; ++t)
      mix_.push_back(stems[t] + stems[song.frames + t]);
    info_.sample_rate_hz = kRate;
    info_.channels = 1;
    info_.frames = info_.expected_frames = song.frames;
  }
  const AudioInfo& info() const override { return info_; }
  std::size_t Read(float* out, std::size_t frames) override {
    const std::size_t count = std::min(frames, mix_.size() - at_);
    std::copy_n(mix_.data() + at_, count, out);
    at_ += count;
    return count;
  }
  void Rewind() override { at_ = 0; }
  const std::vector<float>& mix() const { return mix_; }

 private:
  AudioInfo info_;
  std::vector<float> mix_;
  std::size_t at_ = 0;
};

class Songs : public TrainingTest {};

// Medians over the songs of the figures of each stem, as the demo's table has them: of the stems
// that `separate` gives, by evaluate's metrics.
struct Table {
  std::vector<double> sdr_db, nsdr_db;
};
Table TableOf(Runtime& runtime, const std::vector<Song>& songs) {
  std::vector<std::vector<double>> sdr(2), nsdr(2);
  for (const Song& song : songs) {
    const std::vector<float> stems = TwoStems(song.frames, song.number);
    const std::vector<float> mix = FileReader(song).mix();
    StemStream stream(runtime, std::make_unique<FileReader>(song));
    const std::vector<AudioBuffer> estimates = ReadAllStems(stream);
    for (std::size_t s = 0; s < 2; ++s) {
      const std::span reference(stems.data() + static_cast<std::ptrdiff_t>(s) * song.frames,
                                mix.size());
      sdr[s].push_back(SignalToDistortionDb(reference, estimates[s].samples()));
      nsdr[s].push_back(sdr[s].back() - SignalToDistortionDb(reference, mix));
    }
  }
  return {{Median(sdr[0]), Median(sdr[1])}, {Median(nsdr[0]), Median(nsdr[1])}};
}

TEST_F(Songs, EqualSeparateOnTheExportedModel) {
  // Longer than several segments of 768 frames and blocks of reading, and shorter than one.
  const std::vector<Song> songs = {{40001, 5}, {5000, 6}, {300, 7}};
  MakeSongs(folder_ / "cache.h5", songs);
  const TrainResult result =
      RunTraining("run", {"train.steps=6", "validate.every_steps=6", "validate.songs_every=5"});
  const nlohmann::json figures = result.validation["songs"];
  EXPECT_EQ(figures["songs"].size(), 3u);
  EXPECT_TRUE(figures["left_out"].empty());
  const auto expect = [&](Runtime& runtime, double tolerance) {
    const Table table = TableOf(runtime, songs);
    for (std::size_t s = 0; s < 2; ++s) {
      const char* stem = s == 0 ? "low" : "high";
      EXPECT_NEAR(figures["sdr_db"][stem].get<double>(), table.sdr_db[s], tolerance) << stem;
      EXPECT_NEAR(figures["nsdr_db"][stem].get<double>(), table.nsdr_db[s], tolerance) << stem;
    }
  };

  ExportOptions options;
  options.out = folder_ / "exported";
  const Checkpoint checkpoint = LoadCheckpoint(result.checkpoint);
  const ExportResult exported = ExportCheckpoint(checkpoint, "checkpoint", options);
  // The files differ from the model by up to 1e-6 (TorchScript) and 1e-5 (ONNX Runtime) of the
  // peak, which changes an error 20 dB below it by less than these.
  for (const ExportedFile& file : exported.files) {
    const auto runtime = Runtime::Open(file.path, {.device = "cpu", .threads = 1});
    expect(*runtime, file.format == "onnx" ? 1e-3 : 1e-4);
  }
  // The model itself differs by the order of sums alone.
  const auto model = ModelFromCheckpoint(checkpoint);
  ModelRuntime runtime(*model, exported.manifest, torch::kCPU);
  expect(runtime, 1e-9);
  // And what was exported can be validated as the model is.
  const CacheReader cache(folder_ / "cache.h5");
  const SongFigures again = SongValidation(cache, {}).Run(runtime);
  EXPECT_NEAR(again.mean_nsdr_db, figures["mean_nsdr_db"].get<double>(), 1e-9);
}

// A model that has run away is the worst; it does not end the training.
TEST_F(Songs, OfAModelWithoutUsableValuesHaveNoFigures) {
  MakeSongs(folder_ / "cache.h5", {{3000, 1}});
  const CacheReader cache(folder_ / "cache.h5");
  class NoNumber : public SeparationModel {
   public:
    using SeparationModel::SeparationModel;
    torch::Tensor Separate(const torch::Tensor& mix) override {
      return (mix * NAN).unsqueeze(1).expand({-1, 2, -1, -1}).contiguous();
    }
    LengthRule length_rule() const override { return {.dynamic = true}; }
  } model({cache.stems(), cache.sample_rate_hz(), cache.channels()});
  Manifest manifest;
  manifest.stems = cache.stems();
  manifest.sample_rate_hz = cache.sample_rate_hz();
  manifest.channels = 1;
  manifest.segment_frames = 1000;
  ModelRuntime runtime(model, manifest, torch::kCPU);
  const SongFigures figures = SongValidation(cache, {}).Run(runtime);
  EXPECT_EQ(figures.songs.size(), 1u);
  EXPECT_TRUE(figures.ToJson({"low", "high"})["mean_sdr_db"].is_null());
}

TEST_F(Songs, AreTakenEverySoManyValidationsAndAtTheEnd) {
  RunTraining("run", {"train.steps=10", "validate.every_steps=2", "validate.songs_every=2",
                      "validate.metric=song_nsdr"});
  std::vector<std::int64_t> steps, best;
  for (const auto& record : MetricsLog::Read(folder_ / "run/metrics.jsonl")) {
    if (record.contains("songs")) steps.push_back(record["step"]);
    if (record["event"] == "validation" && record["best"]) best.push_back(record["step"]);
  }
  EXPECT_THAT(steps, ElementsAre(4, 8, 10));
  ASSERT_FALSE(best.empty());
  EXPECT_EQ(best.front(), 4) << "without whole songs no checkpoint is the best by them";
}

TEST_F(Songs, RefuseWhatContradictsThem) {
  EXPECT_THAT(MessageOf([&] { RunTraining("run", {"validate.metric=song_sdr"}); }),
              HasSubstr("validate.songs_every"));
  MakeCache(folder_ / "spectra.h5", 3, 0.3, SpectrogramFormat{64, 16});
  EXPECT_THAT(MessageOf([&] {
                RunTraining("run",
                            {"dataset.cache=" + (folder_ / "spectra.h5").string(), "augment=[]",
                             "loss=[{name: l1, domain: spectrogram}]", "validate.songs_every=1"});
              }),
              HasSubstr("whole songs"));
}

// Gives every stem half of the mixture, in a second of the test's time.
class SlowModel : public SeparationModel {
 public:
  explicit SlowModel(ModelSetting setting) : SeparationModel(std::move(setting)) {}
  torch::Tensor Separate(const torch::Tensor& mix) override {
    now += 1;
    return (mix * 0.5).unsqueeze(1).expand({-1, 2, -1, -1}).contiguous();
  }
  LengthRule length_rule() const override { return {.dynamic = true}; }
  double now = 0;
};

class SongTime : public ::testing::Test {
 protected:
  SongFigures Run(double max_seconds) {
    const CacheReader cache(folder_ / "cache.h5");
    const auto model = std::make_shared<SlowModel>(
        ModelSetting{cache.stems(), cache.sample_rate_hz(), cache.channels()});
    SongValidationOptions options;
    options.max_seconds = max_seconds;
    options.clock = [model] { return model->now += 1e-3; };
    Manifest manifest;
    manifest.stems = cache.stems();
    manifest.sample_rate_hz = cache.sample_rate_hz();
    manifest.channels = 1;
    manifest.segment_frames = 1000;
    manifest.overlap = 0;
    model->train();
    ModelRuntime runtime(*model, manifest, torch::kCPU);
    const SongFigures figures = SongValidation(cache, options).Run(runtime);
    EXPECT_TRUE(model->is_training());
    return figures;
  }
  TemporaryFolder folder_;
};

TEST_F(SongTime, IsKeptAndWhatItLeavesOutIsSaid) {
  std::vector<Song> songs;
  for (int i = 0; i < 8; ++i) songs.push_back({1000 * (8 - i), static_cast<std::uint64_t>(i)});
  MakeSongs(folder_ / "cache.h5", songs);
  const SongFigures all = Run(0);
  EXPECT_EQ(all.songs.size(), 8u);
  EXPECT_NEAR(all.seconds, 36, 0.1);  // as many segments
  EXPECT_GT(all.mean_nsdr_db, 0);

  const SongFigures part = Run(20);
  EXPECT_GT(part.songs.size(), 0u);
  EXPECT_LT(part.songs.size(), 8u);
  // The same songs first, each time: figures of one run can be compared.
  std::vector<std::string> order = part.songs;
  order.insert(order.end(), part.left_out.begin(), part.left_out.end());
  EXPECT_EQ(order, all.songs);
  // Neither the order of the cache, nor by length.
  std::vector<std::string> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_NE(order, sorted);
  EXPECT_NE(order, std::vector<std::string>(sorted.rbegin(), sorted.rend()));

  const SongFigures none = Run(1e-9);
  EXPECT_EQ(none.left_out.size(), 8u);
  EXPECT_TRUE(none.ToJson({"low", "high"})["mean_nsdr_db"].is_null());
}

TEST_F(SongTime, EndsWithinASongToo) {
  MakeSongs(folder_ / "cache.h5", {{80000, 1}});
  const SongFigures figures = Run(20);
  EXPECT_TRUE(figures.songs.empty());
  EXPECT_LT(figures.seconds, 40);  // of 80
}

TEST_F(SongTime, OrderDoesNotDependOnOtherSongs) {
  MakeSongs(folder_ / "cache.h5", {{1000, 1}, {1000, 2}, {1000, 3}, {1000, 4}});
  std::vector<std::string> order = Run(0).songs;
  std::erase(order, "valid2");
  std::filesystem::remove_all(folder_ / "cache.h5");
  std::filesystem::remove_all(folder_ / "cache.h5.d");
  MakeSongs(folder_ / "cache.h5", {{1000, 4}, {1000, 3}, {1000, 1}});
  EXPECT_EQ(Run(0).songs, order);
}

}  // namespace
}  // namespace stemsmith::testing::songs
