// Signals and files for the tests of core's audio part.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "audio/audio.h"
#include "audio/decode.h"
#include "audio/encode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "tests/support/made_files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {

// A different tone in each channel with a little noise.
inline AudioBuffer TestTones(int channels, std::size_t frames, int sample_rate_hz,
                             std::uint64_t seed = 1) {
  AudioBuffer audio(channels, frames);
  RandomStream random({seed});
  for (int c = 0; c < channels; ++c) {
    for (std::size_t t = 0; t < frames; ++t) {
      const double phase =
          2.0 * std::numbers::pi * (220.0 + 110.0 * c) * static_cast<double>(t) / sample_rate_hz;
      audio.channel(c)[t] =
          static_cast<float>(0.5 * std::sin(phase) + 0.05 * random.Uniform(-1.0, 1.0));
    }
  }
  return audio;
}

inline std::string Quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

inline void Ffmpeg(const std::string& arguments) {
  const ProgramResult result = RunProgram("ffmpeg -nostdin -v error -y " + arguments);
  ASSERT_EQ(result.status, 0) << result.err;
}

// What ffmpeg decodes, interleaved.
inline std::vector<float> FfmpegDecode(const std::filesystem::path& path,
                                       const std::string& map = "0:a:0") {
  const std::string raw = path.string() + ".raw";
  Ffmpeg("-i " + Quoted(path) + " -map " + map + " -f f32le " + Quoted(raw));
  const std::string bytes = ReadFile(raw);
  std::vector<float> samples(bytes.size() / sizeof(float));
  std::memcpy(samples.data(), bytes.data(), samples.size() * sizeof(float));
  return samples;
}

// All of a reader, interleaved, read in blocks of `block` frames.
inline std::vector<float> Drain(AudioReader& reader, std::size_t block = 1000) {
  const auto channels = static_cast<std::size_t>(reader.info().channels);
  std::vector<float> samples, buffer(block * channels);
  while (const std::size_t count = reader.Read(buffer.data(), block)) {
    samples.insert(samples.end(), buffer.begin(),
                   buffer.begin() + static_cast<std::ptrdiff_t>(count * channels));
  }
  return samples;
}

inline double LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  return largest;
}

// Keeps only the first `bytes` bytes of a file.
inline void CutFile(const std::filesystem::path& from, const std::filesystem::path& to,
                    std::size_t bytes) {
  WriteFileAtomically(to, ReadFile(from).substr(0, bytes));
}

// A file-size limit stands in for a full disk: write() fails in the same way, with another errno.
// `write`, in a process of its own, must throw an Error that names the file.
inline void ExpectFullDiskIsAnError(const std::filesystem::path& path,
                                    const std::function<void()>& write) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{40000, 40000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(3);
    try {
      write();
    } catch (const Error& error) {
      const std::string what = error.what();
      const bool clear = what.find("cannot write") != std::string::npos &&
                         what.find(path.string()) != std::string::npos;
      _exit(clear ? 0 : 2);
    }
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "1: no error, 2: another error, 3: no limit";
}

}  // namespace stemsmith::testing
