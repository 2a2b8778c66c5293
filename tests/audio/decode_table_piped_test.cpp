// What programs write into a pipe, where the header cannot be fixed afterwards, against ffmpeg's
// decoding (kind of fault: placeholder lengths).
#include "core/error.h"
#include "tests/audio/audio_fixtures.h"
#include "tests/audio/decode_table.h"

namespace stemsmith::testing {
namespace {

TEST_F(DecodeTable, Piped) {
  Make({{"stereo.wav", "stereo 44100", ""}, {"six.wav", "5.1 48000", "-c:a pcm_s24le"}});
  struct {
    const char *name, *arguments;
  } const kinds[] = {{"wav", "-f wav"},
                     {"au", "-f au"},
                     {"caf", "-f caf -c:a pcm_s16be"},
                     {"flac", "-f flac"},
                     {"ogg", "-f ogg -c:a libvorbis"},
                     {"opus", "-f opus -c:a libopus -ar 48000"},
                     {"mp3", "-f mp3 -ac 2"},
                     {"aac", "-f adts"},
                     {"ts", "-f mpegts -c:a aac"},
                     {"mka", "-f matroska -c:a flac"},
                     {"wma", "-f asf -c:a wmav2 -ac 2"},
                     {"nut", "-f nut -c:a pcm_s16le"},
                     {"f32.wav", "-f wav -c:a pcm_f32le"}};
  for (const std::string source : {"stereo", "six"}) {
    std::string arguments = "-i " + source + ".wav", redirections;
    std::vector<std::string> names;
    int descriptor = 3;
    for (const auto& kind : kinds) {
      if (descriptor > 9) {  // the shell redirects no higher ones
        files_.Run(arguments + redirections);
        arguments = "-i " + source + ".wav", redirections.clear(), descriptor = 3;
      }
      names.push_back(source + "-piped." + kind.name);
      arguments += " -map 0 " + std::string(kind.arguments) + " pipe:" + std::to_string(descriptor);
      redirections += " " + std::to_string(descriptor) + "> " + names.back();
      ++descriptor;
    }
    files_.Run(arguments + redirections);
    for (const std::string& name : names) Derive(name, Bytes(name));
  }
  Compare();
}

// ffmpeg itself cannot read what it writes here, although all is there.
TEST_F(DecodeTable, PipedFilesThatFfmpegRefuses) {
  files_.Make({{"a.wav", "stereo 44100", ""}, {"six.wav", "5.1 48000", ""}});
  files_.Run(
      "-i a.wav -i six.wav -map 0 -f w64 pipe:3 -map 0 -f aiff pipe:4 "
      "-map 0 -f wav -rf64 always pipe:5 -map 1 -f wav -rf64 always -c:a pcm_f32le pipe:6 "
      "3> a.w64 4> a.aiff 5> rf64.wav 6> rf64-six.wav");
  const std::vector<std::vector<float>> expected = files_.Decode({"a.wav", "six.wav"});
  for (const std::string name : {"rf64.wav", "rf64-six.wav"}) {
    try {
      const auto reader = OpenAudio(files_ / name);
      EXPECT_EQ(Differences(Drain(*reader), expected[name == "rf64.wav" ? 0 : 1],
                            reader->info().channels, kBound),
                "")
          << name;
    } catch (const Error& error) {
      ADD_FAILURE() << name << ": " << error.what();
    }
  }
  // These have a header without any length: all of the audio, or an error that says what to do.
  for (const char* name : {"a.w64", "a.aiff"}) {
    try {
      EXPECT_EQ(Differences(Drain(*OpenAudio(files_ / name)), expected[0], 2, kBound), "") << name;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      EXPECT_FALSE(error.advice().empty()) << error.what();
    }
  }
}

}  // namespace
}  // namespace stemsmith::testing
