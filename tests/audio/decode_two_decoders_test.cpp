// libsndfile and libav on the same files: where both know a format, a build without libav reads the
// same frames, channels and samples (docs/decoding.md says which reads what).
#include "audio/decode_backend.h"
#include "core/module.h"
#include "tests/audio/audio_fixtures.h"
#include "tests/audio/decode_table.h"

namespace stemsmith::testing {
namespace {

struct SharedFormat {
  MadeFile file;
  double bound;  // 0 for what is exact by nature, 1e-3 for two decoders of a lossy format
};

TEST(DecodeTwoDecoders, GiveTheSame) {
  if (!HasFfmpeg() || !HasLibavModule()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  const SharedFormat formats[] = {
      {{"u8.wav", "mono 22050", "-c:a pcm_u8"}, 0},
      {{"s16.wav", "stereo 44100", ""}, 0},
      {{"s24.wav", "stereo 48000", "-c:a pcm_s24le"}, 0},
      {{"f32.wav", "stereo 44100", "-c:a pcm_f32le"}, 0},
      {{"alaw.wav", "mono 8000", "-c:a pcm_alaw"}, 0},
      {{"ulaw.wav", "mono 8000", "-c:a pcm_mulaw"}, 0},
      {{"rf64.wav", "stereo 44100", "-rf64 always"}, 0},
      {{"six.wav", "5.1 48000", "-c:a pcm_s24le"}, 0},
      {{"side.wav", "5.1(side) 48000", ""}, 0},
      {{"s16.w64", "stereo 44100", ""}, 0},
      {{"s16.aiff", "stereo 44100", ""}, 0},
      {{"f32.aiff", "stereo 44100", "-c:a pcm_f32be"}, 0},
      {{"s16.au", "stereo 44100", ""}, 0},
      {{"s16.caf", "stereo 44100", "-c:a pcm_s16be"}, 0},
      {{"s16.flac", "stereo 44100", "-c:a flac"}, 0},
      {{"s24.flac", "stereo 96000", "-c:a flac -sample_fmt s32"}, 0},
      {{"six.flac", "5.1 48000", "-c:a flac"}, 0},
      {{"eight.flac", "7.1 48000", "-c:a flac"}, 0},
      {{"a.mp3", "stereo 44100", "-c:a libmp3lame"}, 1e-3},
      {{"vbr.mp3", "mono 22050", "-c:a libmp3lame -q:a 4"}, 1e-3},
      // Long enough for ffmpeg 5.1, which leaves too much of the last packet of a short one.
      {{"stereo.ogg", "stereo 44100 2.5", "-c:a libvorbis"}, 1e-3},
      {{"three.ogg", "3.0 48000 2.5", "-c:a libvorbis"}, 1e-3},
      {{"five.ogg", "5.0 48000 2.5", "-c:a libvorbis"}, 1e-3},
      {{"six.ogg", "5.1 48000 2.5", "-c:a libvorbis"}, 1e-3},
      {{"seven.ogg", "6.1 48000 2.5", "-c:a libvorbis"}, 1e-3},
      {{"eight.ogg", "7.1 48000 2.5", "-c:a libvorbis"}, 1e-3},
      {{"stereo.opus", "stereo 48000", "-c:a libopus"}, 1e-3},
      {{"three.opus", "3.0 48000", "-c:a libopus"}, 1e-3},
      {{"six.opus", "5.1 48000", "-c:a libopus"}, 1e-3},
      {{"eight.opus", "7.1 48000", "-c:a libopus"}, 1e-3}};
  MadeFiles files;
  std::vector<MadeFile> made;
  for (const SharedFormat& format : formats) made.push_back(format.file);
  files.Make(made);
  auto* open_libav = reinterpret_cast<OpenLibavFunction*>(
      LoadModuleSymbol("libav", "stemsmith_open_libav", "this test"));
  TerminalCapture terminal;
  for (const SharedFormat& format : formats) {
    const std::filesystem::path path = files / format.file.name;
    const SndfileResult sndfile = OpenSndfile(path, FindDataChunk(path));
    if (sndfile.reader == nullptr) {
      ADD_FAILURE() << format.file.name << ": " << sndfile.problem;
      continue;
    }
    const std::unique_ptr<AudioReader> libav(open_libav(path, {}));
    const AudioInfo &ours = sndfile.reader->info(), &theirs = libav->info();
    EXPECT_EQ(ours.sample_rate_hz, theirs.sample_rate_hz) << format.file.name;
    EXPECT_EQ(ours.channels, theirs.channels) << format.file.name;
    if (ours.channels > 2) {
      EXPECT_EQ(ours.channel_mask, theirs.channel_mask) << format.file.name;
    }
    EXPECT_EQ(Differences(Drain(*sndfile.reader), Drain(*libav), ours.channels, format.bound), "")
        << format.file.name;
  }
  EXPECT_EQ(terminal.Text(), "");
}

}  // namespace
}  // namespace stemsmith::testing
