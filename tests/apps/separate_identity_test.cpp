// `separate` with a model whose one stem is the mixture gives back what ffmpeg decodes: the same
// frames, channels, speakers and samples.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/files.h"
#include "tests/support/made_files.h"
#include "tests/support/models/tiny_onnx.h"

namespace stemsmith::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A wav file, read without the code under test.
struct Wav {
  int tag = 0, channels = 0, sample_rate_hz = 0, bits = 0;
  std::uint32_t mask = 0;  // 0 where it is no WAVE_FORMAT_EXTENSIBLE
  std::vector<float> samples;
};

std::uint64_t Number(const std::string& bytes, std::size_t at, int count) {
  std::uint64_t value = 0;
  for (int i = count - 1; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes.at(at + static_cast<std::size_t>(i)));
  return value;
}

Wav ReadFloatWav(const fs::path& path) {
  const std::string bytes = ReadFile(path);
  Wav wav;
  for (std::size_t at = 12; at + 8 <= bytes.size();) {
    const std::string id = bytes.substr(at, 4);
    const std::size_t size = Number(bytes, at + 4, 4), body = at + 8;
    if (id == "fmt ") {
      wav.tag = static_cast<int>(Number(bytes, body, 2));
      wav.channels = static_cast<int>(Number(bytes, body + 2, 2));
      wav.sample_rate_hz = static_cast<int>(Number(bytes, body + 4, 4));
      wav.bits = static_cast<int>(Number(bytes, body + 14, 2));
      if (wav.tag == 0xfffe) {
        wav.mask = static_cast<std::uint32_t>(Number(bytes, body + 20, 4));
        wav.tag = static_cast<int>(Number(bytes, body + 24, 2));
      }
    } else if (id == "data") {
      wav.samples.resize(size / sizeof(float));
      std::memcpy(wav.samples.data(), bytes.data() + body, wav.samples.size() * sizeof(float));
    }
    at = body + size + (size & 1);
  }
  return wav;
}

class SeparateIdentity : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasFfmpeg() || !HasLibavModule()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  }

  // One model per sample rate: nothing is converted.
  std::string Model(int sample_rate_hz) {
    const std::string name = "identity" + std::to_string(sample_rate_hz) + ".onnx";
    WriteGainOnnx(files_ / name, IdentityManifest(sample_rate_hz), {1.0f});
    return name;
  }

  ProgramResult Separate(int sample_rate_hz, const std::string& arguments) {
    return RunProgram("cd '" + files_.path().string() + "' && " STEMSMITH_BIN_DIR "/separate " +
                      Model(sample_rate_hz) + " -o out --bits 32f " + arguments);
  }

  // `names` in one run. A mask of 0: not looked at.
  void Compare(int sample_rate_hz,
               const std::vector<std::pair<std::string, std::uint32_t>>& files) {
    std::string arguments;
    std::vector<std::string> names;
    for (const auto& [name, mask] : files) {
      arguments += " " + name;
      names.push_back(name);
    }
    const ProgramResult result = Separate(sample_rate_hz, "--quiet" + arguments);
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.err, "");
    const std::vector<std::vector<float>> expected = files_.Decode(names);
    for (std::size_t i = 0; i < files.size(); ++i) {
      const fs::path stem = files_ / "out" / fs::path(names[i]).stem() / "mixture.wav";
      if (!fs::exists(stem)) {
        ADD_FAILURE() << names[i] << ": no stem";
        continue;
      }
      const Wav wav = ReadFloatWav(stem);
      EXPECT_EQ(wav.tag, 3) << names[i];
      EXPECT_EQ(wav.sample_rate_hz, sample_rate_hz) << names[i];
      if (files[i].second != 0) {
        EXPECT_EQ(wav.mask, files[i].second) << names[i];
      }
      if (wav.samples.size() != expected[i].size()) {
        ADD_FAILURE() << names[i] << ": " << wav.samples.size() << " samples of " << wav.channels
                      << " channels, ffmpeg " << expected[i].size();
        continue;
      }
      double largest = 0;
      for (std::size_t k = 0; k < expected[i].size(); ++k)
        largest = std::max(largest, std::abs(static_cast<double>(wav.samples[k]) - expected[i][k]));
      EXPECT_LE(largest, 1e-5) << names[i];
    }
  }

  MadeFiles files_;
};

TEST_F(SeparateIdentity, GivesBackWhatFfmpegDecodes) {
  files_.Make({{"a.mp3", "stereo 44100", "-c:a libmp3lame"},
               {"b.mp3", "stereo 44100 0.9 2", "-c:a libmp3lame -q:a 4"},
               {"a1.m4a", "mono 44100", "-c:a aac"},
               {"ogg.ogg", "stereo 44100", "-c:a libvorbis"},
               {"clip.mkv", "picture+stereo 44100", "-c:a aac -c:v mpeg4"},
               {"late.mkv", "picture+stereo 44100 1 2 late", "-c:a flac -c:v mpeg4"},
               {"flac.flac", "stereo 44100", "-c:a flac"},
               {"plain.wav", "stereo 44100", "-c:a pcm_s24le"},
               {"three.wav", "3.0 48000", "-c:a pcm_f32le"},
               {"two-one.wav", "2.1 48000", ""},
               {"quad.wav", "quad 48000", ""},
               {"six.wav", "5.1 48000", "-c:a pcm_s24le"},
               {"side.wav", "5.1(side) 48000", "-c:a pcm_s24le"},
               {"eight.wav", "7.1 48000", ""},
               {"ogg3.ogg", "3.0 48000", "-c:a libvorbis"},
               {"ogg6.ogg", "5.1 48000", "-c:a libvorbis"},
               {"ogg8.ogg", "7.1 48000", "-c:a libvorbis"},
               {"opus2.opus", "stereo 48000", "-c:a libopus"},
               {"opus6.opus", "5.1 48000", "-c:a libopus"},
               {"flac6.flac", "5.1 48000", "-c:a flac"},
               {"ac36.ac3", "5.1(side) 48000", "-c:a ac3"},
               {"aac6.m4a", "5.1 48000", "-c:a aac"},
               {"alac6.m4a", "5.1 48000", "-c:a alac"},
               {"mono8.wav", "mono 8000", "-c:a pcm_mulaw"},
               {"mono22.mp3", "mono 22050", "-c:a libmp3lame -q:a 4"},
               {"wide.wav", "stereo 96000", "-c:a pcm_s32le"}});
  files_.Write("joined.mp3", files_.Bytes("a.mp3") + files_.Bytes("b.mp3"));
  const std::string wav = files_.Bytes("plain.wav");
  files_.Write("unclosed.wav", Patched(wav, Find(wav, "data") + 4, std::string(4, '\0')));
  Compare(44100, {{"a.mp3", 0},
                  {"joined.mp3", 0},
                  {"a1.m4a", 0},
                  {"ogg.ogg", 0},
                  {"clip.mkv", 0},
                  {"late.mkv", 0},
                  {"flac.flac", 0},
                  {"plain.wav", 0},
                  {"unclosed.wav", 0}});
  Compare(48000, {{"three.wav", 0x7},
                  {"two-one.wav", 0xb},
                  {"quad.wav", 0x33},
                  {"six.wav", 0x3f},
                  {"side.wav", 0x60f},
                  {"eight.wav", 0x63f},
                  {"ogg3.ogg", 0x7},
                  {"ogg6.ogg", 0x3f},
                  {"ogg8.ogg", 0x63f},
                  {"opus2.opus", 0},
                  {"opus6.opus", 0x3f},
                  {"flac6.flac", 0x3f},
                  {"ac36.ac3", 0x60f},
                  {"aac6.m4a", 0x3f},
                  {"alac6.m4a", 0x3f}});
  Compare(8000, {{"mono8.wav", 0}});
  Compare(22050, {{"mono22.mp3", 0}});
  Compare(96000, {{"wide.wav", 0}});
}

TEST_F(SeparateIdentity, DamageIsAnErrorOrConcealedAtItsPlace) {
  const std::vector<std::string> names = {"one.mp3", "two.aac", "three.flac", "four.opus"};
  files_.Make({{"one.mp3", "stereo 48000 4", "-c:a libmp3lame -b:a 128k"},
               {"two.aac", "stereo 48000 4", "-c:a aac -aac_pns 0"},
               {"three.flac", "stereo 48000 4", "-c:a flac"},
               {"four.opus", "stereo 48000 4", "-c:a libopus -page_duration 100000"}});
  const std::vector<std::vector<float>> whole = files_.Decode(names);
  std::string arguments;
  for (const std::string& name : names) {
    const std::string bytes = files_.Bytes(name);
    // Over the header of a frame of mp3: within a payload a decoder may not notice.
    const std::size_t middle = bytes.size() / 2;
    files_.Write(name,
                 Damaged(bytes, name == "one.mp3" ? Find(bytes, "\xff\xfb", middle) - 25 : middle));
    arguments += " " + name;
  }
  files_.Make({{"good.wav", "stereo 48000", ""}});

  const ProgramResult fails = Separate(48000, arguments + " good.wav");
  EXPECT_EQ(fails.status, 1);
  for (const std::string& name : names) {
    EXPECT_THAT(fails.err, HasSubstr(name));
    EXPECT_FALSE(fs::exists(files_ / "out" / fs::path(name).stem())) << name;
  }
  EXPECT_EQ(std::count(fails.err.begin(), fails.err.end(), '\n'), 5) << fails.err;
  EXPECT_TRUE(fs::exists(files_ / "out/good/mixture.wav"));

  const ProgramResult conceals = Separate(48000, "--on-damage conceal" + arguments);
  EXPECT_EQ(conceals.status, 0) << conceals.err;
  EXPECT_EQ(std::count(conceals.err.begin(), conceals.err.end(), '\n'), 4) << conceals.err;
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_THAT(conceals.err, AllOf(HasSubstr(names[i]), HasSubstr("warning")));
    const fs::path stem = files_ / "out" / fs::path(names[i]).stem() / "mixture.wav";
    if (!fs::exists(stem)) continue;  // told by the status
    const Wav wav = ReadFloatWav(stem);
    EXPECT_NEAR(static_cast<double>(wav.samples.size()), static_cast<double>(whole[i].size()),
                2 * 4608)
        << names[i];
    double largest = 0;
    for (std::size_t k = 2 * 48000 * 5 / 2; k < std::min(wav.samples.size(), whole[i].size()); ++k)
      largest = std::max(largest, std::abs(static_cast<double>(wav.samples[k]) - whole[i][k]));
    EXPECT_LE(largest, 1e-2) << names[i] << " behind the damage";
  }
}

TEST_F(SeparateIdentity, AnAudioStreamIsChosenAndNamed) {
  const std::string two = "stereo 48000 0.8 1+stereo 48000 1.1 2";
  const std::string options =
      " -disposition:a:0 0 -disposition:a:1 default -metadata:s:a:0 language=eng "
      "-metadata:s:a:1 language=fra";
  files_.Make({{"film.mkv", two, "-c:a flac" + options},
               {"film.mp4", two, "-c:a aac" + options},
               {"film.mka", two, "-c:a libopus" + options}});
  for (const std::string name : {"film.mkv", "film.mp4", "film.mka"}) {
    const std::vector<float> first = files_.Decode({name}, "a:0").front();
    const std::vector<float> second = files_.Decode({name}, "a:1").front();
    struct {
      const char* arguments;
      const std::vector<float>& expected;
    } const cases[] = {{"", second},
                       {"--audio-stream 0", first},
                       {"--audio-stream 1", second},
                       {"--audio-stream eng", first}};
    for (const auto& c : cases) {
      const ProgramResult result = Separate(48000, name + " " + c.arguments);
      EXPECT_EQ(result.status, 0) << result.err;
      if (!fs::exists(files_ / "out/film/mixture.wav")) continue;
      const Wav wav = ReadFloatWav(files_ / "out/film/mixture.wav");
      EXPECT_EQ(wav.samples.size(), c.expected.size()) << name << " " << c.arguments;
      // Where nobody chose among several, it is said which was taken.
      if (std::string(c.arguments).empty()) {
        EXPECT_THAT(result.out + result.err, AllOf(HasSubstr(name), HasSubstr("stream")));
      } else {
        EXPECT_EQ(result.err, "") << name << " " << c.arguments;
      }
      fs::remove_all(files_ / "out");
    }
    EXPECT_EQ(Separate(48000, name + " --audio-stream 2").status, 1);
    EXPECT_EQ(Separate(48000, name + " --audio-stream jpn").status, 1);
    EXPECT_EQ(Separate(48000, name + " --audio-stream 1x").status, 2);
  }
}

}  // namespace
}  // namespace stemsmith::testing
