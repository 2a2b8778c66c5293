// Each reader on the demo songs in its layout: written by another part of the project, with real
// audio.
#include <cmath>

#include "synth/synth.h"
#include "tests/datasets/readers/readers_fixture.h"

namespace stemsmith {
namespace {

using namespace testing;  // NOLINT: of stemsmith

class DemoSongs : public ::testing::TestWithParam<const char*> {};

TEST_P(DemoSongs, ArePreparedWithSoundInEveryStem) {
  TemporaryFolder folder;
  synth::SynthOptions songs;
  songs.out = folder / "songs";
  songs.songs = 2;
  songs.seconds = 5;
  songs.test_songs = 0;
  songs.valid_songs = 0;
  songs.layout = GetParam();
  synth::MakeSongs(songs);

  PrepareOptions options;
  options.kind = GetParam();
  options.reader.root = songs.out;
  options.out = folder / "cache.h5";
  const PrepareResult result = PrepareCache(options);
  for (const SongFailure& failure : result.failures) ADD_FAILURE() << failure.error.what();
  const CacheReader cache(options.out);
  ASSERT_EQ(cache.tracks().size(), 2u);
  EXPECT_GE(cache.stems().size(), 4u);
  std::size_t sounding = 0;
  for (const CachedTrack& track : cache.tracks()) {
    EXPECT_EQ(track.split, "train");
    EXPECT_NEAR(static_cast<double>(track.frames) / cache.sample_rate_hz(), songs.seconds, 1.0);
    for (const double rms_db : track.rms_db) sounding += rms_db > -60;
  }
  EXPECT_GE(sounding, 6u);  // a song of five seconds may rest in a stem
}

INSTANTIATE_TEST_SUITE_P(Layouts, DemoSongs,
                         ::testing::Values("folders", "musdb18", "musdb18hq", "slakh", "moisesdb",
                                           "medleydb", "stem_pools", "csv"));

}  // namespace
}  // namespace stemsmith
