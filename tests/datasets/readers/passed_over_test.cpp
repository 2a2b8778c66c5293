// What a scan finds and does not use: named once, by every reader.
#include <algorithm>
#include <fstream>

#include "audio/decode.h"
#include "datasets/readers/readers.h"
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;

class PassedOver : public DatasetFixture {
 protected:
  PassedOver() : DatasetFixture("folders") {}

  // "split/song"
  std::vector<std::string> Songs(const std::string& kind) {
    return Names(ScanDataset(kind, options_, &unused_));
  }
  std::vector<std::string> Unused_(Unused kind) {
    for (const UnusedThings& things : unused_) {
      if (things.kind == kind) return things.names;
    }
    return {};
  }
  std::string Told() {
    std::string text;
    for (const UnusedThings& things : unused_) text += things.what + "; " + things.advice + "\n";
    return text;
  }
  void HqSong(const std::string& folder) {
    for (const char* stem : {"mixture", "drums", "bass", "other", "vocals"}) {
      Touch(folder + "/" + stem + ".wav");
    }
  }
  void SlakhSong(const std::string& folder) {
    Text(folder + "/metadata.yaml",
         "stems:\n  S00: {audio_rendered: true, inst_class: Bass, is_drum: false, program_num: "
         "33}\n");
    Touch(folder + "/stems/S00.flac");
    Touch(folder + "/mix.flac");
  }

  std::vector<UnusedThings> unused_;
};

TEST_F(PassedOver, UsualNamesOfSplitsMeanTheSameInAnyCase) {
  for (const char* word : {"train", "Training", "TRAIN", "train_set", "tr"}) {
    EXPECT_EQ(SplitOf(word), "train") << word;
  }
  for (const char* word : {"valid", "validation", "Val", "dev", "Development", "val-set", "cv"}) {
    EXPECT_EQ(SplitOf(word), "valid") << word;
  }
  for (const char* word : {"test", "Testing", "eval", "Evaluation", "Test Set", "tt"}) {
    EXPECT_EQ(SplitOf(word), "test") << word;
  }
  for (const char* word : {"", "trian", "songs", "attest", "set", "train2"}) {
    EXPECT_EQ(SplitOf(word), "") << word;
  }
}

TEST_F(PassedOver, EveryReaderKnowsTheseFolders) {
  Touch("folders/Training/a/drums.wav");
  Touch("folders/val/b/drums.wav");
  Touch("folders/validation/c/drums.wav");
  Touch("folders/eval/d/drums.wav");
  options_.root = root_ / "folders";
  EXPECT_THAT(Songs("folders"), ElementsAre("test/d", "train/a", "valid/b", "valid/c"));

  Touch("musdb/TRAIN/a.stem.mp4");
  Touch("musdb/dev/b.stem.m4a");
  Touch("musdb/Test/c.STEM.MP4");
  options_.root = root_ / "musdb";
  EXPECT_THAT(Songs("musdb18"), ElementsAre("test/c", "train/a", "valid/b"));

  HqSong("hq/train/a");
  HqSong("hq/validation/b");
  HqSong("hq/testing/c");
  options_.root = root_ / "hq";
  EXPECT_THAT(Songs("musdb18hq"), ElementsAre("test/c", "train/a", "valid/b"));

  SlakhSong("slakh/train/Track00001");
  SlakhSong("slakh/val/Track00002");
  SlakhSong("slakh/Eval/Track00003");
  options_.root = root_ / "slakh";
  EXPECT_THAT(Songs("slakh"),
              ElementsAre("test/Track00003", "train/Track00001", "valid/Track00002"));

  Touch("pools/train/drums/a.wav");
  Touch("pools/val/drums/b.wav");
  Touch("pools/valid/drums/c.wav");
  options_.root = root_ / "pools";
  EXPECT_THAT(Songs("stem_pools"),
              ElementsAre("train/train 00001", "valid/valid 00001", "valid/valid 00002"));
  EXPECT_EQ(Told(), "");
}

TEST_F(PassedOver, FoldersOfSongsBesideTheSplitsAreNamedOnce) {
  for (int i = 0; i < 5; ++i) Touch("extra/song " + std::to_string(i) + "/drums.wav");
  Touch("live/drums.wav");
  Touch("train/a/drums.wav");
  Touch("papers/readme.md");
  EXPECT_THAT(Songs("folders"), ElementsAre("train/a"));
  EXPECT_THAT(Unused_(Unused::kBesideSplits),
              ElementsAre("extra/song 0", "extra/song 1", "extra/song 2", "extra/song 3",
                          "extra/song 4", "live"));
  ASSERT_EQ(unused_.size(), 1u) << Told();
  EXPECT_EQ(unused_[0].what,
            "6 folders with audio lie beside the splits and are passed over: \"extra/song 0\", "
            "\"extra/song 1\", \"extra/song 2\", …");
  for (const char* kind : {"musdb18hq", "musdb18", "slakh", "stem_pools"}) {
    HqSong("train/b");
    Touch("train/b.stem.mp4");
    SlakhSong("train/Track00001");
    Songs(kind);
    EXPECT_THAT(Unused_(Unused::kBesideSplits), ::testing::SizeIs(6)) << kind;
  }
}

TEST_F(PassedOver, SongsThatLieDeeperAreNamed) {
  Touch("good/drums.wav");
  Touch("Artist/Album/Song/drums.wav");
  Touch("Artist/Album/Other Song/drums.wav");
  Touch("Band/Song/drums.wav");
  EXPECT_THAT(Songs("folders"), ElementsAre("train/good"));
  EXPECT_THAT(Unused_(Unused::kDeeperFolders),
              ElementsAre("Artist/Album/Other Song", "Artist/Album/Song", "Band/Song"));
  EXPECT_THAT(Told(), HasSubstr("3 folders with audio lie where no song is looked for"));
  fs::remove_all(root_ / "good");
  EXPECT_THAT(MessageOf([&] { Songs("folders"); }),
              AllOf(HasSubstr("no songs found"), HasSubstr("Artist/Album/Song")));
  HqSong("train/b");
  HqSong("train/Artist/c");
  Songs("musdb18hq");
  EXPECT_THAT(Unused_(Unused::kDeeperFolders), ElementsAre("train/Artist/c"));
  Touch("train/drums/kits/one/a.wav");
  Touch("train/bass/a.wav");
  Songs("stem_pools");
  EXPECT_THAT(Unused_(Unused::kDeeperFolders),
              ElementsAre("train/Artist/c", "train/drums/kits/one"));
}

TEST_F(PassedOver, FilesAndFoldersInsideOfSongsAreNamed) {
  Touch("song/drums.wav");
  Touch("song/old/drums.wav");
  Touch("song/old takes/2019/drums.wav");
  Touch("song/bass.npy");
  Touch("song/vocals.xyz");
  Touch("song/vocals");
  Touch("loose.wav");
  Touch("whole.stem.mp4");
  for (const char* usual : {"notes.txt", "cover.JPG", "score.pdf", "song.mid", "README", "x.asd"}) {
    Touch(std::string("song/") + usual);
  }
  fs::create_directory_symlink(root_.path(), root_ / "song/up");
  EXPECT_THAT(Songs("folders"), ElementsAre("train/song"));
  EXPECT_THAT(Unused_(Unused::kInnerFolders), ElementsAre("song/old", "song/old takes/2019"));
  EXPECT_THAT(Unused_(Unused::kUnknownFiles),
              ElementsAre("song/bass.npy", "song/vocals", "song/vocals.xyz"));
  EXPECT_THAT(Unused_(Unused::kLooseAudio), ElementsAre("loose.wav", "whole.stem.mp4"));

  Touch("pools/drums/a.wav");
  Touch("pools/drums/b.xyz");
  Touch("pools/drums/more/c.wav");
  options_.root = root_ / "pools";
  Songs("stem_pools");
  EXPECT_THAT(Unused_(Unused::kInnerFolders), ElementsAre("drums/more"));
  EXPECT_THAT(Unused_(Unused::kUnknownFiles), ElementsAre("drums/b.xyz"));
}

TEST_F(PassedOver, AudioThatIsNoStemOfALayoutIsNamed) {
  HqSong("hq/train/a");
  Touch("hq/train/a/accompaniment.wav");
  Touch("hq/train/a/drums.flac");
  Touch("hq/train/a/vocals.xyz");
  Touch("hq/train/b.stem.mp4");
  options_.root = root_ / "hq";
  Songs("musdb18hq");
  EXPECT_THAT(Unused_(Unused::kOtherAudio),
              ElementsAre("train/a/accompaniment.wav", "train/a/drums.flac"));
  EXPECT_THAT(Unused_(Unused::kUnknownFiles), ElementsAre("train/a/vocals.xyz"));
  EXPECT_THAT(Unused_(Unused::kLooseAudio), ElementsAre("train/b.stem.mp4"));

  Touch("musdb/train/a.stem.mp4");
  Touch("musdb/train/b.mp4");
  Touch("musdb/train/c/drums.wav");
  options_.root = root_ / "musdb";
  Songs("musdb18");
  EXPECT_THAT(Unused_(Unused::kOtherAudio), ElementsAre("train/b.mp4"));
  EXPECT_THAT(Unused_(Unused::kDeeperFolders), ElementsAre("train/c"));

  SlakhSong("slakh/train/Track00001");
  SlakhSong("slakh/omitted/Track00002");
  Touch("slakh/train/Track00001/stems/S07.flac");
  Touch("slakh/train/Trackless/drums.wav");
  options_.root = root_ / "slakh";
  Songs("slakh");
  EXPECT_THAT(Unused_(Unused::kOtherAudio), ElementsAre("train/Track00001/stems/S07.flac"));
  EXPECT_THAT(Unused_(Unused::kDeeperFolders), ElementsAre("train/Trackless"));
  EXPECT_THAT(Unused_(Unused::kOmittedSongs), ElementsAre("Track00002"));
}

TEST_F(PassedOver, SongsThatAListDoesNotNameAreNamed) {
  for (const char* song : {"a", "b", "c"}) Touch(std::string("songs/") + song + "/drums.wav");
  Text("list.yaml", "dev: [b]\n");
  options_.root = root_ / "songs";
  options_.splits = root_ / "list.yaml";
  EXPECT_THAT(Songs("folders"), ElementsAre("valid/b"));
  EXPECT_THAT(Unused_(Unused::kUnlistedSongs), ElementsAre("a", "c"));
}

TEST_F(PassedOver, IsWarnedOfByPrepare) {
  Audio("train/a/drums.wav", Noise(1, 5000, 2));
  Audio("train/a/bass.wav", Noise(2, 5000, 2));
  Touch("train/a/one.xyz");
  Touch("b/drums.wav");
  Prepare();
  const std::string warned = heard_.Take();
  EXPECT_THAT(warned, AllOf(HasSubstr("warning: " + root_.path().string() +
                                      ": 1 folder with "
                                      "audio lies beside the splits and is passed over: \"b\"; "),
                            HasSubstr("1 file is neither audio nor a usual companion")));
  EXPECT_EQ(std::count(warned.begin(), warned.end(), '\n'), 3);  // and how much the cache will hold
}

}  // namespace
}  // namespace stemsmith
