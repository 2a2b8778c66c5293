// Layouts of CAF and AIFF files, as far as the file names every channel where libsndfile can see
// it.
#include <gtest/gtest.h>

#include "audio/decode.h"
#include "audio/decode_backend.h"
#include "core/files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace {

std::string Big(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::string Layout(std::uint32_t tag, std::uint32_t bitmap) {
  return Big(tag, 4) + Big(bitmap, 4) + Big(0, 4);
}

std::string Aiff(int channels, const std::string& layout, bool layout_first) {
  const std::string rate = std::string("\x40\x0e\xac\x44", 4) + std::string(6, '\0');  // 44100
  const std::string comm = "COMM" + Big(18, 4) + Big(static_cast<std::uint64_t>(channels), 2) +
                           Big(4, 4) + Big(16, 2) + rate;
  const std::string chan = "CHAN" + Big(layout.size(), 4) + layout;
  const std::string data(static_cast<std::size_t>(4 * 2 * channels), '\1');
  const std::string body = "AIFF" + (layout_first ? chan + comm : comm + chan) + "SSND" +
                           Big(data.size() + 8, 4) + Big(0, 8) + data;
  return "FORM" + Big(body.size(), 4) + body;
}

std::string Caf(int channels, const std::string& layout) {
  const std::string rate = std::string("\x40\xe5\x88\x80", 4) + std::string(4, '\0');  // 44100
  const auto count = static_cast<std::uint64_t>(channels);
  const std::string desc = "desc" + Big(32, 8) + rate + "lpcm" + Big(0, 4) + Big(2 * count, 4) +
                           Big(1, 4) + Big(count, 4) + Big(16, 4);
  const std::string data(static_cast<std::size_t>(4 * 2 * channels), '\1');
  return "caff" + Big(1, 2) + Big(0, 2) + desc + "chan" + Big(layout.size(), 8) + layout + "data" +
         Big(data.size() + 4, 8) + Big(0, 4) + data;
}

TEST(ChannelLayout, SaysNothingOrWhatTheFileSays) {
  const TemporaryFolder folder;
  struct Case {
    const char* name;
    std::string bytes;
    int channels;
    std::uint32_t mask;
  };
  constexpr std::uint32_t kBitmap = CoreAudioLayout::kBitmap;
  const Case cases[] = {
      {"bitmap.caf", Caf(6, Layout(kBitmap, 0x3f)), 6, 0x3f},
      {"bitmap of fewer.caf", Caf(6, Layout(kBitmap, 0x3)), 6, 0},
      {"names fewer.caf", Caf(6, Layout(0x650002, 0)), 6, 0},
      {"side.aiff", Aiff(6, Layout(kBitmap, 0x60f), false), 6, 0x60f},
      {"first.aiff", Aiff(6, Layout(0x790006, 0), true), 6, 0},
      {"first bitmap.aiff", Aiff(2, Layout(kBitmap, 0x3), true), 2, 0x3},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    WriteFileAtomically(folder / test.name, test.bytes);
    const auto reader = OpenAudio(folder / test.name);
    EXPECT_EQ(reader->info().channels, test.channels);
    EXPECT_EQ(reader->info().sample_rate_hz, 44100);
    EXPECT_EQ(reader->info().channel_mask, test.mask);
    EXPECT_EQ(ReadAll(*reader).frames(), 4u);
  }
}

}  // namespace
}  // namespace stemsmith::testing
