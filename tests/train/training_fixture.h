// A tiny cache and a tiny configuration for tests of the trainer.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "core/random.h"
#include "datasets/cache/builder.h"
#include "models/checkpoint.h"
#include "tests/support/error_of.h"
#include "tests/support/heard.h"
#include "tests/support/temporary_folder.h"
#include "train/report/metrics_log.h"
#include "train/trainer.h"

namespace stemsmith::testing {

constexpr int kRate = 8000;

// [2, 1, frames]: low tones and high noise bursts, which a small mask can tell apart.
inline std::vector<float> TwoStems(std::int64_t frames, std::uint64_t song, double gain = 0.3) {
  RandomStream random({song});
  std::vector<float> stems(static_cast<std::size_t>(2 * frames));
  const double tone_hz = random.Uniform(150, 400);
  for (std::int64_t t = 0; t < frames; ++t) {
    const double phase = 2 * std::numbers::pi * tone_hz * static_cast<double>(t) / kRate;
    stems[t] = static_cast<float>(gain * std::sin(phase));
    const double noise = random.Normal();
    const double carrier = std::cos(std::numbers::pi * 0.8 * static_cast<double>(t));
    stems[frames + t] = static_cast<float>(gain * noise * carrier * 0.5);
  }
  return stems;
}

// A cache with `train` songs train0, … of half a second and two songs valid0, valid1; of audio, or
// of spectrograms.
inline std::filesystem::path MakeCache(const std::filesystem::path& path, int train = 3,
                                       double gain = 0.3,
                                       std::optional<SpectrogramFormat> spectrogram = {},
                                       CacheSampleType type = CacheSampleType::kFloat32) {
  TrackFormat format;
  format.stems = {"low", "high"};
  format.sample_rate_hz = kRate;
  format.channels = 1;
  format.sample_type = type;
  format.spectrogram = spectrogram;
  CacheBuilder builder(path, format);
  const std::int64_t frames = kRate / 2;
  for (int i = 0; i < train; ++i)
    builder.AddTrack("train" + std::to_string(i), "train", TwoStems(frames, 1 + i, gain));
  for (int i = 0; i < 2; ++i)
    builder.AddTrack("valid" + std::to_string(i), "valid", TwoStems(frames, 100 + i));
  builder.Finish();
  return path;
}

// The text of a configuration; `more` is appended (top-level keys), steps and the like go through
// Settings.
inline std::string ConfigText(const std::filesystem::path& cache, const std::string& more = "") {
  return "dataset: {cache: " + cache.string() + ", segment_seconds: 0.1}\n" +
         "augment: [{name: gain, probability: 0.7}, {name: remix}]\n"
         "model: {name: unet, n_fft: 64, hop: 16, depth: 2, channels: 4}\n"
         "loss: [{name: l1, domain: waveform}, {name: mse, domain: magnitude, n_fft: 128, weight: "
         "0.1}]\n"
         "optimizer: {name: adamw, lr: 5e-3}\n"
         "gradient_clip: 5\n"
         "schedule: {name: cosine, warmup_steps: 2}\n"
         "train: {steps: 12, batch_size: 4, seed: 7, log_every_steps: 1}\n"
         "validate: {every_steps: 4}\n"
         "checkpoint: {every_steps: 4, keep: 2}\n"
         "report: {songs: 0, tensorboard: false}\n" +
         more;
}

class TrainingTest : public ::testing::Test {
 protected:
  TrainResult RunTraining(const std::string& run, const std::vector<std::string>& settings = {},
                          bool resume = false,
                          std::function<void(std::int64_t)> after_step = nullptr) {
    const std::filesystem::path cache = folder_ / "cache.h5";
    if (!std::filesystem::exists(cache)) MakeCache(cache);
    const std::filesystem::path file = folder_ / "config.yaml";
    WriteFile(file, ConfigText(cache));
    TrainRequest request = Request(run);
    request.resume = resume;
    request.after_step = std::move(after_step);
    return Train(Config::Load(file, settings), request);
  }
  TrainRequest Request(const std::string& run) const {
    TrainRequest request;
    request.run = folder_ / run;
    request.accept_changes = accept_changes_;
    request.device = "cpu";
    request.threads = 1;
    request.host = heard_.host();
    request.any_precision = any_precision_;
    return request;
  }

  static void WriteFile(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  std::filesystem::path CheckpointPath(const std::string& run, const std::string& name) const {
    return folder_ / run / "checkpoints" / (name + ".safetensors");
  }

  // Losses of metrics.jsonl in order, "train" or "validation" records.
  std::vector<double> Losses(const std::string& run, const std::string& event) const {
    std::vector<double> losses;
    for (const auto& record : MetricsLog::Read(folder_ / run / "metrics.jsonl"))
      if (record["event"] == event) losses.push_back(record["loss"].get<double>());
    return losses;
  }

  // Same names, same bits, in weights and training tensors.
  void ExpectSameCheckpoint(const std::filesystem::path& a, const std::filesystem::path& b) const {
    const Checkpoint left = LoadCheckpoint(a), right = LoadCheckpoint(b);
    for (const auto part : {&Checkpoint::weights, &Checkpoint::training}) {
      ASSERT_EQ((left.*part).size(), (right.*part).size());
      for (std::size_t i = 0; i < (left.*part).size(); ++i) {
        EXPECT_EQ((left.*part)[i].first, (right.*part)[i].first);
        EXPECT_TRUE(torch::equal((left.*part)[i].second, (right.*part)[i].second))
            << (left.*part)[i].first;
      }
    }
    for (const char* key : {"step", "loader", "best", "validation", "loss_sum"})
      EXPECT_EQ(left.training_state[key], right.training_state[key]) << key;
  }

  bool accept_changes_ = false;  // --accept-changes
  mutable Heard heard_;
  TemporaryFolder folder_;
  bool any_precision_ = false;  // also what does not pay here
};

}  // namespace stemsmith::testing
