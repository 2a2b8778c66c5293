#include "separate/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/files.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TemporaryFolder;

void Touch(const fs::path& path) { WriteFileAtomically(path, "x"); }

std::vector<std::string> Tracks(const InputSongs& list) {
  std::vector<std::string> tracks;
  for (const InputSong& song : list.songs) tracks.push_back(song.track);
  return tracks;
}

TEST(Inputs, FilesAreNamedWithoutTheirEnding) {
  TemporaryFolder folder;
  for (const char* name : {"b.wav", "a.b.flac", "dj.stem.mp4", "Für Elise ♪.ogg"})
    Touch(folder / name);
  const InputSongs list = CollectSongs(
      {folder / "b.wav", folder / "a.b.flac", folder / "dj.stem.mp4", folder / "Für Elise ♪.ogg"},
      folder / "out");
  EXPECT_THAT(Tracks(list), ElementsAre("b", "a.b", "dj", "Für Elise ♪"));
  EXPECT_EQ(list.names.Of(list.songs[0].track, "", "drums"), "b/drums.wav");
}

TEST(Inputs, AMixtureIsNamedAfterItsFolder) {
  TemporaryFolder folder;
  Touch(folder / "Song One/mixture.wav");
  Touch(folder / "Song Two/mix.flac");
  EXPECT_THAT(Tracks(CollectSongs({folder / "Song One/mixture.wav", folder / "Song Two/mix.flac"},
                                  folder / "out")),
              ElementsAre("Song One", "Song Two"));
}

TEST(Inputs, FoldersAreSearchedInOrderAndKeepTheirSubfolders) {
  TemporaryFolder folder;
  for (const char* name : {"in/z.wav", "in/a.mp3", "in/notes.txt", "in/.hidden.wav", "in/B/2.wav",
                           "in/B/1.wav", "in/song/mixture.wav", "in/song/drums.wav"}) {
    Touch(folder / name);
  }
  const InputSongs list = CollectSongs({folder / "in"}, folder / "out");
  EXPECT_THAT(Tracks(list), ElementsAre("a", "z", "B/1", "B/2", "song"));
  EXPECT_THAT(list.problems, IsEmpty());
}

TEST(Inputs, AMixtureInTheGivenFolderItselfIsNamedAfterIt) {
  TemporaryFolder folder;
  Touch(folder / "My Song/mixture.wav");
  Touch(folder / "My Song/bass.wav");
  EXPECT_THAT(Tracks(CollectSongs({folder / "My Song/"}, folder / "out")), ElementsAre("My Song"));
}

TEST(Inputs, TheOutputFolderInsideAnInputFolderIsSkipped) {
  TemporaryFolder folder;
  Touch(folder / "in/a.wav");
  Touch(folder / "in/stems/a/drums.wav");
  EXPECT_THAT(Tracks(CollectSongs({folder / "in"}, folder / "in/stems")), ElementsAre("a"));
  // Also by another way of writing it.
  EXPECT_THAT(Tracks(CollectSongs({folder / "in"}, folder / "in/../in/stems/")), ElementsAre("a"));
}

TEST(Inputs, OutputAmongTheInputIsRefused) {
  TemporaryFolder folder;
  Touch(folder / "in/a.wav");
  Touch(folder / "songs/one/mixture.wav");
  EXPECT_THROW(CollectSongs({folder / "in"}, folder / "in"), Error);
  // Would replace one/drums.wav.
  const Error error =
      testing::ErrorOf([&] { CollectSongs({folder / "songs/one/mixture.wav"}, folder / "songs"); });
  EXPECT_EQ(error.code(), ExitCode::kWrongUse);
}

TEST(Inputs, TakenNamesAreNumberedAndSaid) {
  TemporaryFolder folder;
  for (const char* name : {"x/song.wav", "y/song.wav", "y/song.mp3"}) Touch(folder / name);
  const InputSongs list = CollectSongs(
      {folder / "x/song.wav", folder / "y/song.wav", folder / "y/song.mp3"}, folder / "out");
  EXPECT_THAT(Tracks(list), ElementsAre("song", "song-2", "song-3"));
  EXPECT_EQ(list.notes.size(), 2u);
}

TEST(Inputs, AFileGivenTwiceIsDoneOnce) {
  TemporaryFolder folder;
  Touch(folder / "in/a.wav");
  const InputSongs list =
      CollectSongs({folder / "in/a.wav", folder / "in", folder / "in/../in/a.wav"}, folder / "out");
  EXPECT_THAT(Tracks(list), ElementsAre("a"));
  EXPECT_THAT(list.problems, IsEmpty());
}

TEST(Inputs, MissingAndEmptyOnesAreProblemsOfTheirOwn) {
  TemporaryFolder folder;
  Touch(folder / "a.wav");
  fs::create_directories(folder / "empty");
  const InputSongs list =
      CollectSongs({folder / "missing.wav", folder / "a.wav", folder / "empty"}, folder / "out");
  EXPECT_THAT(Tracks(list), ElementsAre("a"));
  ASSERT_EQ(list.problems.size(), 2u);
  EXPECT_THAT(list.problems[0].what(), ::testing::HasSubstr("missing.wav"));
  EXPECT_THAT(list.problems[1].what(), ::testing::HasSubstr("no audio files"));
}

TEST(Inputs, LinksThatGoInCirclesEnd) {
  TemporaryFolder folder;
  Touch(folder / "in/a.wav");
  fs::create_directory_symlink(folder / "in", folder / "in/loop");
  EXPECT_THAT(Tracks(CollectSongs({folder / "in"}, folder / "out")), ElementsAre("a"));
}

TEST(Inputs, PatternsStandForWhatIsThere) {
  TemporaryFolder folder;
  for (const char* name : {"in/b.wav", "in/a.mp3", "in/B/c.wav", "in/B/[x]/d.wav", "in/.no/e.wav"})
    Touch(folder / name);
  const auto tracks = [&](const std::string& pattern) {
    return Tracks(CollectSongs({folder / pattern}, folder / "out"));
  };
  EXPECT_THAT(tracks("in/*.wav"), ElementsAre("b"));
  EXPECT_THAT(tracks("in/[ab].*"), ElementsAre("a", "b"));
  EXPECT_THAT(tracks("in/**/*.wav"), ElementsAre("d", "c", "b"));
  EXPECT_THAT(tracks("in/B/[x]/d.wav"), ElementsAre("d"));  // there, so no pattern
  EXPECT_THAT(tracks("i?"), ElementsAre("a", "b", "B/c", "B/[x]/d"));
  const InputSongs none = CollectSongs({folder / "*.ogg"}, folder / "out");
  ASSERT_EQ(none.problems.size(), 1u);
  EXPECT_THAT(none.problems[0].what(), ::testing::HasSubstr("*.ogg"));
}

TEST(Inputs, NumbersFollowTheNamesOfFiles) {
  TemporaryFolder folder;
  for (const char* name : {"x/song.wav", "y/song.wav"}) Touch(folder / name);
  const auto collect = [&](const char* name) {
    return CollectSongs({folder / "x/song.wav", folder / "y/song.wav"}, folder / "out",
                        FileNames(name, FindFormat("wav"), {}));
  };
  EXPECT_THAT(Tracks(collect("{parent}/{track}/{stem}.{ext}")), ElementsAre("song", "song"));
  EXPECT_THAT(Tracks(collect("{stem}/{track}.{ext}")), ElementsAre("song", "song-2"));
  EXPECT_THAT(Tracks(collect("{parent}-{stem}.{ext}")), ElementsAre("song", "song"));
  EXPECT_THROW(collect("{stem}.{ext}"), Error);
  // Files that have the song's name may lie beside it.
  const auto beside = [&](const char* name) {
    CollectSongs({folder / "x/song.wav"}, folder / "x", FileNames(name, FindFormat("wav"), {}));
  };
  beside("{track} ({stem}).{ext}");
  EXPECT_THROW(beside("{stem}.{ext}"), Error);
}

TEST(Inputs, NoNameLeadsOutOfTheOutputFolder) {
  TemporaryFolder folder;
  Touch(folder / "...wav");
  Touch(folder / "..wav");
  EXPECT_THAT(Tracks(CollectSongs({folder / "...wav", folder / "..wav"}, folder / "out")),
              ElementsAre("_", "_-2"));
}

}  // namespace
}  // namespace stemsmith
