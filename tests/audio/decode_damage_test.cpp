// Damage inside a file: one policy for all decoders (docs/decoding.md). 50 wrong bytes in the
// middle are an Error with file and time, or, where asked for, silence at its place.
#include <gmock/gmock.h>

#include <cmath>
#include <regex>

#include "core/error.h"
#include "tests/audio/audio_fixtures.h"
#include "tests/audio/decode_table.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace {

using ::testing::HasSubstr;

constexpr double kSeconds = 6;

struct DamagedKind {
  std::string name, arguments;
  int frame;            // of the codec: the length may change by it
  double unit_seconds;  // what is lost at once: a packet, or a page of Ogg
  double bound = 1e-4;  // of the samples behind the damage
  int header = 0;       // second byte of a frame's header where the damage is to lie over one
};

const std::vector<DamagedKind>& Kinds() {
  static const std::vector<DamagedKind> kinds = {
      {"a.mp3", "-c:a libmp3lame -b:a 128k", 1152, 0.03, 1e-4, 0xfb},
      // The offset tells the time less well.
      {"vbr.mp3", "-c:a libmp3lame -q:a 4", 1152, 0.4, 1e-4, 0xfb},
      {"untagged.mp3", "-c:a libmp3lame -b:a 96k -write_xing 0", 1152, 0.03, 1e-4, 0xfb},
      {"a.mp2", "-c:a mp2 -b:a 192k", 1152, 0.03, 1e-4, 0xfd},
      // Noise substitution would draw other random numbers behind a lost packet.
      {"a.aac", "-c:a aac -aac_pns 0", 1024, 0.03, 1e-4, 0xf1},
      {"a.m4a", "-c:a aac -aac_pns 0", 1024, 0.03},
      {"a.mka", "-c:a aac -aac_pns 0", 1024, 0.03},
      {"a.ogg", "-c:a libvorbis", 1024, 1.1},
      {"pages.ogg", "-c:a libvorbis -page_duration 100000", 1024, 0.2},
      // The decoder's state settles within a few packets.
      {"a.opus", "-c:a libopus -ar 48000", 960, 1.1, 1e-2},
      {"pages.opus", "-c:a libopus -ar 48000 -page_duration 100000", 960, 0.2, 1e-2},
      {"a.flac", "-c:a flac", 4608, 0.11},
      {"a24.flac", "-c:a flac -sample_fmt s32", 4608, 0.11},
      {"a.oga", "-c:a flac", 4608, 1.2},
      {"flac.mka", "-c:a flac", 4608, 0.11},
      // The decoder's dither goes on with other random numbers.
      {"a.ac3", "-c:a ac3 -ar 48000", 1536, 0.04, 0.1},
      {"a.eac3", "-c:a eac3 -ar 48000", 1536, 0.04, 0.1},
      {"alac.m4a", "-c:a alac", 4096, 0.1}};
  return kinds;
}

// A part of the file; where frames have headers the next one, so that no decoder can miss it.
std::size_t PlaceAt(double part, const std::string& bytes, int header) {
  const auto at = static_cast<std::size_t>(part * static_cast<double>(bytes.size()));
  return header == 0 ? at : Find(bytes, std::string("\xff") + static_cast<char>(header), at) - 25;
}

// The first time in a message.
double SecondIn(const std::string& message) {
  std::smatch match;
  return std::regex_search(message, match, std::regex("([0-9]+\\.[0-9]+) s")) ? std::stod(match[1])
                                                                              : NAN;
}

class DecodeDamage : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasFfmpeg() || !HasLibavModule()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  }

  // All kinds, whole and damaged.
  void MakeKinds() {
    std::vector<MadeFile> files;
    for (const DamagedKind& kind : Kinds())
      files.push_back({kind.name, "stereo 44100 6", kind.arguments});
    files_.Make(files);
    for (const DamagedKind& kind : Kinds()) {
      const std::string bytes = files_.Bytes(kind.name);
      const std::size_t at = PlaceAt(0.5, bytes, kind.header);
      places_.push_back(kSeconds * (static_cast<double>(at) + 25) /
                        static_cast<double>(bytes.size()));
      files_.Write("damaged-" + kind.name, Damaged(bytes, at));
    }
  }

  MadeFiles files_;
  std::vector<double> places_;  // second of the damage, from its offset
};

TEST_F(DecodeDamage, IsAnErrorWithFileAndTime) {
  MakeKinds();
  TerminalCapture terminal;
  for (std::size_t i = 0; i < Kinds().size(); ++i) {
    const DamagedKind& kind = Kinds()[i];
    EXPECT_NO_THROW(Drain(*OpenAudio(files_ / kind.name))) << kind.name;
    const Error error = ErrorOf([&] { Drain(*OpenAudio(files_ / ("damaged-" + kind.name))); });
    const std::string what = error.what();
    EXPECT_EQ(error.code(), ExitCode::kInputFailed);
    EXPECT_THAT(what, HasSubstr("damaged-" + kind.name));
    EXPECT_FALSE(error.advice().empty()) << what;
    const double second = SecondIn(what);
    EXPECT_TRUE(second >= places_[i] - kind.unit_seconds - 0.2 && second <= places_[i] + 0.2)
        << kind.name << ": the damage is at " << places_[i] << " s: " << what;
  }
  EXPECT_EQ(terminal.Text(), "");
}

TEST_F(DecodeDamage, IsConcealedAtItsPlace) {
  MakeKinds();
  TerminalCapture terminal;
  for (std::size_t i = 0; i < Kinds().size(); ++i) {
    const DamagedKind& kind = Kinds()[i];
    try {
      const std::vector<float> whole = Drain(*OpenAudio(files_ / kind.name));
      // A file that is whole conceals nothing, whatever is asked for.
      const auto same = OpenAudio(files_ / kind.name, {.on_damage = OnDamage::kConceal});
      EXPECT_TRUE(Drain(*same) == whole) << kind.name;
      EXPECT_TRUE(same->damage().empty()) << kind.name;
      const auto reader =
          OpenAudio(files_ / ("damaged-" + kind.name), {.on_damage = OnDamage::kConceal});
      const std::vector<float> concealed = Drain(*reader);
      EXPECT_NEAR(static_cast<double>(concealed.size()), static_cast<double>(whole.size()),
                  2.0 * kind.frame)
          << kind.name << " (samples)";
      const auto rate = reader->info().sample_rate_hz;
      const std::vector<Damage> damage = reader->damage();
      EXPECT_EQ(damage.size(), 1) << kind.name;
      double end = places_[i];
      if (!damage.empty()) {
        end = std::max(end, damage.back().begin_seconds + damage.back().seconds);
        EXPECT_LE(damage.front().begin_seconds, places_[i] + 0.2) << kind.name;
        EXPECT_GE(damage.front().begin_seconds, places_[i] - kind.unit_seconds - 0.2) << kind.name;
        EXPECT_GE(end, places_[i] - 0.2) << kind.name;
        EXPECT_LE(damage.front().seconds, kind.unit_seconds + 0.3) << kind.name;
        EXPECT_FALSE(damage.front().what.empty()) << kind.name;
      }
      // What lies before and behind is in its place.
      const auto first =
          static_cast<std::size_t>((places_[i] - kind.unit_seconds - 0.3) * rate) * 2;
      EXPECT_EQ(Differences({concealed.begin(), concealed.begin() + static_cast<long>(first)},
                            {whole.begin(), whole.begin() + static_cast<long>(first)}, 2, 1e-6),
                "")
          << kind.name << " before the damage";
      const auto from = static_cast<long>((end + 0.3) * rate) * 2;
      const auto last = static_cast<long>(std::min(concealed.size(), whole.size()));
      ASSERT_LT(from, last) << kind.name;
      EXPECT_EQ(Differences({concealed.begin() + from, concealed.begin() + last},
                            {whole.begin() + from, whole.begin() + last}, 2, kind.bound),
                "")
          << kind.name << " behind the damage";
      reader->Rewind();
      EXPECT_TRUE(Drain(*reader) == concealed) << kind.name;
      EXPECT_EQ(reader->damage().size(), damage.size()) << kind.name << " after Rewind()";
    } catch (const std::exception& error) {
      ADD_FAILURE() << kind.name << ": " << error.what();
    }
  }
  EXPECT_EQ(terminal.Text(), "");
}

// Wrong bytes within the payload of one frame of mp3 may decode to some sound: no decoder can tell.
// Noticed or not, nothing is shifted.
TEST_F(DecodeDamage, WhatADecoderCannotNoticeShiftsNothing) {
  files_.Make({{"a.mp3", "stereo 44100 6", Kinds().front().arguments}});
  const std::string bytes = files_.Bytes("a.mp3");
  const std::vector<float> whole = Drain(*OpenAudio(files_ / "a.mp3"));
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    // Behind the header and the side information of the frame in the middle.
    const std::size_t at = PlaceAt(0.5, bytes, 0xfb) + 25 + 60 * seed;
    files_.Write("payload.mp3", Damaged(bytes, at, seed));
    const auto reader = OpenAudio(files_ / "payload.mp3", {.on_damage = OnDamage::kConceal});
    const std::vector<float> concealed = Drain(*reader);
    EXPECT_NEAR(static_cast<double>(concealed.size()), static_cast<double>(whole.size()), 2 * 1152);
    const auto from = static_cast<long>(3.6 * 44100) * 2;
    const auto last = static_cast<long>(std::min(concealed.size(), whole.size()));
    EXPECT_EQ(Differences({concealed.begin() + from, concealed.begin() + last},
                          {whole.begin() + from, whole.begin() + last}, 2, 1e-4),
              "");
  }
}

TEST_F(DecodeDamage, SeveralPlacesAreListedInTime) {
  struct {
    const char *name, *arguments;
    int header;
  } const kinds[] = {{"a.mp3", "-c:a libmp3lame -b:a 128k", 0xfb},
                     {"a.aac", "-c:a aac", 0xf1},
                     {"flac.mka", "-c:a flac", 0},
                     {"a.flac", "-c:a flac", 0}};
  for (const auto& kind : kinds) {
    files_.Make({{kind.name, "stereo 44100 6", kind.arguments}});
    std::string bytes = files_.Bytes(kind.name);
    for (const double part : {0.25, 0.5, 0.75})
      bytes = Damaged(bytes, PlaceAt(part, bytes, kind.header));
    files_.Write("thrice", bytes);
    try {
      const auto reader = OpenAudio(files_ / "thrice", {.on_damage = OnDamage::kConceal});
      Drain(*reader);
      const std::vector<Damage> damage = reader->damage();
      EXPECT_EQ(damage.size(), 3) << kind.name << ": " << DamageText(damage) << "; last: "
                                  << (damage.empty() ? "none" : DamageText(damage.back()));
      for (std::size_t i = 0; i < std::min<std::size_t>(3, damage.size()); ++i)
        EXPECT_NEAR(damage[i].begin_seconds, 1.5 * static_cast<double>(i + 1), 0.3) << kind.name;
    } catch (const Error& error) {
      ADD_FAILURE() << kind.name << ": " << error.what();
    }
  }
}

}  // namespace
}  // namespace stemsmith::testing
