#include "audio/tags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audio/decode.h"
#include "audio/encode.h"
#include "core/files.h"
#include "tests/audio/audio_fixtures.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::IsSubsetOf;
using ::testing::IsSupersetOf;

using Texts = std::vector<std::pair<std::string, std::string>>;

// 1 · 1 pixel.
const std::string kPng(
    "\211\120\116\107\015\012\032\012\000\000\000\015\111\110\104\122\000\000\000\001\000\000"
    "\000\001\010\000\000\000\000\072\176\233\125\000\000\000\012\111\104\101\124\170\332\143"
    "\140\000\000\000\002\000\001\345\047\336\374\000\000\000\000\111\105\116\104\256\102\140"
    "\202",
    67);

TEST(Tags, EveryFormatGivesBackWhatItHolds) {
  if (!testing::HasLibavModule()) GTEST_SKIP() << "needs the libav module";
  const Texts all = {{"title", "Söng (drums)"}, {"artist", "odd"},      {"album", "Album"},
                     {"album_artist", "Both"},  {"composer", "C"},      {"date", "1999"},
                     {"genre", "Pop"},          {"track", "3"},         {"disc", "1"},
                     {"comment", "two words"},  {"copyright", "nobody"}};
  const Texts usual = {all[0], all[1], all[2], all[5], all[6]};
  const testing::TemporaryFolder folder;
  for (const FormatRow& row : FormatTable()) {
    SCOPED_TRACE(row.name);
    EncodeOptions options{.format = row.name, .tags = all, .cover = kPng};
    AudioBuffer audio = testing::TestTones(2, 30001, 44100);
    if (row.many_streams) options.streams = {"mixture"};
    WriteAudio(folder / "a", audio, 44100, options);
    const Tags tags = ReadTags(folder / "a", true);
    if (row.name == std::string("w64")) {
      EXPECT_TRUE(tags.texts.empty());
      continue;
    }
    EXPECT_THAT(tags.texts, IsSupersetOf(usual));
    EXPECT_THAT(tags.texts, IsSubsetOf(all));
    EXPECT_EQ(tags.cover, row.cover ? kPng : "");
    EXPECT_EQ(ReadTags(folder / "a", false).cover, "");
    // The audio is still where it was.
    const std::int64_t frames = OpenAudio(folder / "a")->info().expected_frames;
    const double wanted = 30001.0 * row.RateFor(44100) / 44100;
    EXPECT_NEAR(static_cast<double>(frames), wanted, row.lossy() ? 2500 : 0);
  }
}

TEST(Tags, WhatCannotBeReadHasNone) {
  const testing::TemporaryFolder folder;
  WriteFileAtomically(folder / "text", "no audio");
  EXPECT_TRUE(ReadTags(folder / "text", true).texts.empty());
  EXPECT_TRUE(ReadTags(folder / "missing", true).texts.empty());
  EXPECT_EQ(PictureType("GIF89a"), "");
}

}  // namespace
}  // namespace stemsmith
