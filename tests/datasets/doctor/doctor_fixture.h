// Datasets for the doctor's tests: healthy ones, to be made ill.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "audio/encode.h"
#include "core/files.h"
#include "core/random.h"
#include "datasets/doctor/doctor.h"
#include "tests/datasets/dataset_files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {

inline constexpr int kDoctorRateHz = 22'050;

// Random notes from 200 to 2000 Hz, stereo; another seed, another recording.
inline AudioBuffer Notes(std::uint64_t seed, double seconds = 4,
                         int sample_rate_hz = kDoctorRateHz) {
  RandomStream random({seed});
  AudioBuffer audio(2, static_cast<std::size_t>(seconds * sample_rate_hz));
  const auto note_frames = static_cast<std::size_t>(0.16 * sample_rate_hz);
  double hz[3] = {}, phase[3] = {}, pan = 0.5;
  for (std::size_t t = 0; t < audio.frames(); ++t) {
    const std::size_t place = t % note_frames;
    if (place == 0) {
      for (double& frequency : hz) frequency = 200 * std::pow(10.0, random.Uniform());
      for (double& start : phase) start = random.Uniform(0, 2 * std::numbers::pi);
      pan = random.Uniform(0.3, 0.7);
    }
    const double seconds_in = static_cast<double>(place) / sample_rate_hz;
    double sample = random.Uniform(-0.003, 0.003);
    for (int i = 0; i < 3; ++i) {
      sample += 0.07 * std::exp(-8 * seconds_in) *
                std::sin(2 * std::numbers::pi * hz[i] * seconds_in + phase[i]);
    }
    audio.channel(0)[t] = static_cast<float>(sample * pan * 2);
    audio.channel(1)[t] = static_cast<float>(sample * (1 - pan) * 2);
  }
  return audio;
}

inline AudioBuffer Silence(double seconds = 4) {
  return AudioBuffer(2, static_cast<std::size_t>(seconds * kDoctorRateHz));
}

inline AudioBuffer Scaled(AudioBuffer audio, float gain) {
  for (float& sample : audio.samples()) sample *= gain;
  return audio;
}

// The finding of one kind, when that is all there is; fails the test otherwise.
class DoctorTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const AudioBuffer& audio,
             SampleFormat format = SampleFormat::kInt16, int sample_rate_hz = kDoctorRateHz) {
    WriteStem(root_ / name, audio, sample_rate_hz, format);
  }
  // train/a and test/b, each with drums and bass.
  void WriteGoodSongs() {
    Write("train/a/drums.wav", Notes(1));
    Write("train/a/bass.wav", Notes(2));
    Write("test/b/drums.wav", Notes(3));
    Write("test/b/bass.wav", Notes(4));
  }
  DoctorOptions Options(const std::string& kind = "folders") {
    DoctorOptions options;
    options.kind = kind;
    options.reader.root = root_.path();
    options.threads = 2;
    return options;
  }
  // Most songs here are few and none is for validation: that has a test of its own.
  static DoctorResult Without(const std::string& kind, DoctorResult result) {
    std::erase_if(result.findings, [&](const Finding& finding) { return finding.kind == kind; });
    return result;
  }
  DoctorResult Examine() { return Without("split", ExamineDataset(Options())); }
  DoctorResult ExamineWith(const std::string& recipe) {
    WriteFileAtomically(other_ / "recipe.yaml", recipe);
    DoctorOptions options = Options();
    options.recipe = other_ / "recipe.yaml";
    return Without("split", ExamineDataset(options));
  }
  static Finding Only(const DoctorResult& result) {
    EXPECT_EQ(result.findings.size(), 1u) << AllOf(result);
    return result.findings.empty() ? Finding{} : result.findings.front();
  }
  Finding OnlyFinding() { return Only(Examine()); }
  static std::string AllOf(const DoctorResult& result) {
    std::string text;
    for (const Finding& finding : result.findings) {
      text += finding.kind + " " + finding.split + "/" + finding.song + " " + finding.stem + ": " +
              finding.what + "; " + finding.advice + "\n";
    }
    return text;
  }
  TemporaryFolder root_, other_;
};

// IsFinding(Severity::kError, "clipping", "train/a", "drums")
MATCHER_P4(IsFinding, severity, kind, song, stem, "") {
  *result_listener << arg.kind << " " << arg.split << "/" << arg.song << " " << arg.stem << ": "
                   << arg.what;
  return arg.severity == severity && arg.kind == kind && arg.split + "/" + arg.song == song &&
         arg.stem == stem && !arg.what.empty() && !arg.advice.empty();
}

}  // namespace stemsmith::testing
