// TensorBoard's event files. That TensorBoard itself reads them:
// tests/reference/test_tensorboard.py.
#include "train/report/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/files.h"
#include "tests/support/temporary_folder.h"
#include "train/report/recorder.h"

namespace stemsmith::event_file_test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<fs::path> Files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(EventFile, ChecksumIsCastagnolis) {
  // The check value of the CRC catalogue, and the vector of 32 zeros of RFC 3720, B.4.
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
}

TEST(EventFile, GoingOnDropsWhatCameAfterTheStep) {
  const testing::TemporaryFolder folder;
  {
    EventFile events(folder.path(), -1);
    events.AddScalars(4, {{"kept", 1.0}});
    events.AddScalars(5, {{"dropped", 2.0}});
    events.AddAudio(4, "sound_kept", AudioBuffer(1, 10), 8000);
    events.AddAudio(300, "sound_dropped", AudioBuffer(1, 10), 8000);
  }
  EventFile events(folder.path(), 4);
  const auto files = Files(folder.path());
  ASSERT_EQ(files.size(), 2u);
  const std::string first = ReadFile(files[0]);
  EXPECT_THAT(first, HasSubstr("kept"));
  EXPECT_THAT(first, HasSubstr("sound_kept"));
  EXPECT_THAT(first, Not(HasSubstr("dropped")));
}

TEST(EventFile, GoingOnDropsWhatACrashCutOff) {
  const testing::TemporaryFolder folder;
  { EventFile(folder.path(), -1).AddScalars(1, {{"whole", 1.0}}); }
  const fs::path file = Files(folder.path())[0];
  const std::string whole = ReadFile(file);
  WriteFileAtomically(file, whole + whole.substr(0, whole.size() - 3));
  EventFile events(folder.path(), 9);
  // Of the second copy the record of the version is whole, the scalar is not.
  EXPECT_LT(ReadFile(file).size(), 2 * whole.size() - 20);
  EXPECT_EQ(ReadFile(file).substr(0, whole.size()), whole);
}

TEST(EventFile, StartingAnewRemovesTheOldOnes) {
  const testing::TemporaryFolder folder;
  { EventFile(folder.path(), -1).AddScalars(1, {{"old", 1.0}}); }
  EventFile events(folder.path(), -1);
  ASSERT_EQ(Files(folder.path()).size(), 1u);
  EXPECT_THAT(ReadFile(Files(folder.path())[0]), Not(HasSubstr("old")));
}

ExcerptSet TwoStems(std::int64_t step) {
  ExcerptSet set{.step = step, .sample_rate_hz = 8000, .stems = {"a/b", "c"}, .songs = {}};
  AudioBuffer audio(1, 4000);
  for (std::size_t i = 0; i < audio.frames(); ++i) audio.channel(0)[i] = i % 40 < 20 ? 0.5f : -0.5f;
  set.songs.push_back({"song", 1.5, audio, {audio, audio}, {audio, AudioBuffer(1, 4000)}});
  return set;
}

TEST(RunRecorder, ExcerptsBecomeRarerAsTheRunGoesOn) {
  const testing::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), -1, /*tensorboard=*/true);
  EXPECT_TRUE(recorder.WantsExcerpts(10, false));
  recorder.Show(TwoStems(10));
  EXPECT_FALSE(recorder.WantsExcerpts(10, true));
  EXPECT_FALSE(recorder.WantsExcerpts(14, false));
  EXPECT_TRUE(recorder.WantsExcerpts(14, true));
  EXPECT_TRUE(recorder.WantsExcerpts(15, false));
  // A resumed run knows when it showed the last ones.
  RunRecorder resumed(folder.path(), 12, true);
  EXPECT_FALSE(resumed.WantsExcerpts(14, false));
  RunRecorder before(folder.path(), 8, true);
  EXPECT_TRUE(before.WantsExcerpts(9, false));
}

TEST(RunRecorder, ExcerptsLieInFilesToHear) {
  const testing::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), -1, false);
  recorder.Show(TwoStems(10));
  const fs::path listen = folder / "listen";
  for (const char* file : {"mixture.ogg", "a_b.target.ogg", "a_b.estimate.ogg", "c.estimate.ogg"})
    EXPECT_GT(fs::file_size(listen / "song_1" / file), 1000u) << file;
  const nlohmann::json index = ReadExcerptIndex(listen);
  EXPECT_EQ(index["step"], 10);
  EXPECT_EQ(index["songs"][0]["name"], "song");
  EXPECT_TRUE(index["songs"][0]["sdr_db"]["a/b"].is_null());               // exact
  EXPECT_NEAR(index["songs"][0]["sdr_db"]["c"].get<double>(), 0.0, 1e-6);  // silence
  EXPECT_FALSE(fs::exists(folder / "tensorboard"));
  // Targets are written once, estimates each time.
  const auto written = fs::last_write_time(listen / "song_1/mixture.ogg");
  const auto estimated = fs::last_write_time(listen / "song_1/c.estimate.ogg");
  recorder.Show(TwoStems(20));
  EXPECT_EQ(fs::last_write_time(listen / "song_1/mixture.ogg"), written);
  EXPECT_GT(fs::last_write_time(listen / "song_1/c.estimate.ogg"), estimated);
}

TEST(EventFile, HoldsTheConfiguration) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "config.yaml", "optimizer: {lr: 0.01}\naugment: [{name: gain}]\n");
  RunRecorder recorder(folder.path(), -1, true);
  const std::string bytes = ReadFile(Files(folder / "tensorboard")[0]);
  for (const char* part : {"    optimizer: {lr: 0.01}\n", "_hparams_/session_start_info",
                           "optimizer.lr", "augment.0.name"}) {
    EXPECT_THAT(bytes, HasSubstr(part));
  }
}

}  // namespace
}  // namespace stemsmith::event_file_test
