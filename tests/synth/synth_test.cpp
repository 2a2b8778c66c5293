#include "synth/synth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "audio/decode.h"
#include "core/error.h"
#include "core/files.h"
#include "synth/layouts.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"
#include "tests/synth/files_below.h"

namespace stemsmith::synth {
namespace {
namespace fs = std::filesystem;

SynthOptions Small(const fs::path& out, int songs) {
  SynthOptions options;
  options.out = out;
  options.songs = songs;
  options.seconds = 5;
  options.seed = 3;
  return options;
}

std::string Refusal(const SynthOptions& options) {
  return testing::MessageOf([&] { MakeSongs(options); });
}

TEST(Synth, WritesFoldersWithFourStemsAndTheirMixture) {
  const testing::TemporaryFolder folder;
  const SynthResult result = MakeSongs(Small(folder / "songs", 3));
  EXPECT_EQ(result.rendered, 3);
  for (const char* split : {"train", "valid", "test"}) {
    int songs = 0;
    for (const auto& song : fs::directory_iterator(folder / "songs" / split)) {
      ++songs;
      std::vector<AudioBuffer> audio;
      for (const char* stem : {"drums", "bass", "other", "vocals", "mixture"}) {
        const auto reader = OpenAudio(song.path() / (std::string(stem) + ".wav"));
        EXPECT_EQ(reader->info().sample_rate_hz, 44100);
        EXPECT_EQ(reader->info().channels, 2);
        EXPECT_EQ(reader->info().bits, 16);
        audio.push_back(ReadAll(*reader));
        EXPECT_EQ(audio.back().frames(), 5u * 44100u);
      }
      for (std::size_t i = 0; i < audio[0].samples().size(); ++i) {
        const float sum = audio[0].samples()[i] + audio[1].samples()[i] + audio[2].samples()[i] +
                          audio[3].samples()[i];
        ASSERT_EQ(sum, audio[4].samples()[i]);  // 16-bit values: exact in float
      }
    }
    EXPECT_EQ(songs, 1) << split;
  }
}

TEST(Synth, GivesTheSameBytesForAnyNumberOfThreadsAndSongs) {
  const testing::TemporaryFolder folder;
  SynthOptions one = Small(folder / "one", 2), more = Small(folder / "more", 4);
  one.threads = 1;
  more.threads = 3;
  MakeSongs(one);
  MakeSongs(more);
  const auto few = FilesBelow(folder / "one"), many = FilesBelow(folder / "more");
  EXPECT_EQ(few.size(), 10u);
  EXPECT_EQ(many.size(), 20u);
  for (const auto& [name, hash] : few) {
    ASSERT_TRUE(many.contains(name)) << name;
    EXPECT_EQ(many.at(name), hash) << name;
  }
}

TEST(Synth, GoesOnWhereItStopped) {
  const testing::TemporaryFolder folder;
  const SynthOptions options = Small(folder / "songs", 3);
  MakeSongs(options);
  const auto before = FilesBelow(options.out);
  const fs::path kept = options.out / fs::path(before.begin()->first).parent_path();
  const fs::path lost = options.out / fs::path(before.rbegin()->first).parent_path();
  const auto time = fs::last_write_time(kept / "mixture.wav");
  fs::remove_all(lost);
  const SynthResult result = MakeSongs(options);
  EXPECT_EQ(result.rendered, 1);
  EXPECT_EQ(result.kept, 2);
  EXPECT_EQ(FilesBelow(options.out), before);
  EXPECT_EQ(fs::last_write_time(kept / "mixture.wav"), time);
}

TEST(Synth, IsAloneOnItsFolder) {
  const testing::TemporaryFolder folder;
  const SynthOptions options = Small(folder / "songs", 1);
  MakeSongs(options);
  const FolderLock other(options.out, "", "");
  EXPECT_THROW(MakeSongs(options), Error);
}

TEST(Synth, AddsSongsToAFolder) {
  const testing::TemporaryFolder folder;
  MakeSongs(Small(folder / "songs", 1));
  const SynthResult result = MakeSongs(Small(folder / "songs", 2));
  EXPECT_EQ(result.kept, 1);
  EXPECT_EQ(result.rendered, 1);
  const auto state = nlohmann::json::parse(ReadFile(folder / "songs" / "synth.json"));
  EXPECT_EQ(state["songs"].size(), 2u);
}

TEST(Synth, KeepsAndListsTheSongsOfALargerCall) {
  const testing::TemporaryFolder folder;
  MakeSongs(Small(folder / "songs", 3));
  const auto before = FilesBelow(folder / "songs");
  MakeSongs(Small(folder / "songs", 1));
  EXPECT_EQ(FilesBelow(folder / "songs"), before);
  const auto state = nlohmann::json::parse(ReadFile(folder / "songs" / "synth.json"));
  EXPECT_EQ(state["songs"].size(), 3u);
  fs::remove_all(folder / "songs" / "valid");
  MakeSongs(Small(folder / "songs", 1));
  const auto fewer = nlohmann::json::parse(ReadFile(folder / "songs" / "synth.json"));
  EXPECT_EQ(fewer["songs"].size(), 2u);
}

TEST(Synth, RefusesAFolderOfOtherSettingsUnlessForced) {
  const testing::TemporaryFolder folder;
  SynthOptions options = Small(folder / "songs", 2);
  MakeSongs(options);
  const auto before = FilesBelow(options.out);
  WriteFileAtomically(options.out / "train" / "notes.txt", "mine");
  options.seed = 4;
  const std::string error = Refusal(options);
  EXPECT_NE(error.find("seed was 3, is 4"), std::string::npos) << error;
  EXPECT_NE(error.find("--force"), std::string::npos) << error;
  options.force = true;
  MakeSongs(options);
  const auto after = FilesBelow(options.out);
  EXPECT_EQ(after.size(), before.size() + 1);
  EXPECT_TRUE(after.contains("train/notes.txt"));
  for (const auto& [name, hash] : before) EXPECT_FALSE(after.contains(name)) << name;
}

TEST(Synth, DoesNotMixItsSongsWithForeignOnes) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "songs" / "train" / "my song" / "drums.wav", "x");
  EXPECT_NE(Refusal(Small(folder / "songs", 1)).find("not ours"), std::string::npos);
  EXPECT_EQ(FilesBelow(folder / "songs").size(), 1u);
}

TEST(Synth, ForceRemovesNothingOutsideTheFolder) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "song_precious" / "take.wav", "x");
  SynthOptions options = Small(folder / "songs", 1);
  MakeSongs(options);
  auto state = nlohmann::json::parse(ReadFile(options.out / "synth.json"));
  state["songs"].push_back({{"name", "song_/../../../song_precious"}, {"split", "train"}});
  state["songs"].push_back({{"name", "song_precious"}, {"split", "../"}});
  WriteFileAtomically(options.out / "synth.json", state.dump());
  options.seed = 9;
  options.force = true;
  MakeSongs(options);
  EXPECT_TRUE(fs::exists(folder / "song_precious" / "take.wav"));
}

TEST(Synth, SplitsAreAboutSeventyFifteenFifteen) {
  const SynthOptions options;
  for (int songs = 3; songs <= 200; ++songs) {
    std::map<std::string, int> count;
    for (int i = 0; i < songs; ++i) ++count[SplitOf(i, options)];
    EXPECT_GE(count["train"], 1);
    EXPECT_GE(count["valid"], 1);
    EXPECT_GE(count["test"], 1);
    if (songs >= 20) {
      EXPECT_NEAR(count["train"] / static_cast<double>(songs), 0.7, 0.07) << songs;
      EXPECT_NEAR(count["test"] / static_cast<double>(songs), 0.15, 0.05) << songs;
    }
  }
  SynthOptions chosen;
  chosen.valid_songs = 2;
  chosen.test_songs = 4;
  std::map<std::string, int> count;
  for (int i = 0; i < 30; ++i) ++count[SplitOf(i, chosen)];
  EXPECT_EQ(count, (std::map<std::string, int>{{"train", 24}, {"valid", 2}, {"test", 4}}));
}

TEST(Synth, RefusesSenselessOptions) {
  const testing::TemporaryFolder folder;
  const auto with = [&](auto change) {
    SynthOptions options = Small(folder / "songs", 1);
    change(options);
    return Refusal(options);
  };
  EXPECT_NE(with([](auto& o) { o.songs = 0; }).find("--songs"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.songs = -5; }).find("--songs"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.seconds = 2; }).find("--seconds"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.seconds = std::nan(""); }).find("--seconds"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.seconds = 1e9; }).find("--seconds"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.threads = -1; }).find("--threads"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.valid_songs = 1; }).find("--test-songs"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.layout = "foldrs"; }).find("did you mean 'folders'"),
            std::string::npos);
  EXPECT_NE(with([](auto& o) { o.sound_font = "/nowhere.sf2"; }).find("timgm6mb-soundfont"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "songs"));
}

TEST(Synth, SaysWhenTheFolderCannotBeWritten) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "file", "x");
  EXPECT_NE(Refusal(Small(folder / "file" / "songs", 1)), "");
  EXPECT_NE(Refusal(Small("/proc/songs", 1)), "");
}

TEST(Synth, RefusesADamagedStateFile) {
  const testing::TemporaryFolder folder;
  for (const char* text :
       {"", "{", "[]", "{\"settings\": 3, \"songs\": []}", "{\"settings\": {}, \"songs\": [3]}"}) {
    WriteFileAtomically(folder / "songs" / "synth.json", text);
    SynthOptions options = Small(folder / "songs", 1);
    EXPECT_NE(Refusal(options).find("synth.json"), std::string::npos) << text;
    options.force = true;
    EXPECT_NE(Refusal(options).find("synth.json"), std::string::npos) << text;
  }
}

TEST(Layouts, HaveUniqueNames) {
  std::set<std::string> names;
  for (const auto& row : LayoutTable()) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}

}  // namespace
}  // namespace stemsmith::synth
