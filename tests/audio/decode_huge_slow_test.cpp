// Recordings above 4 GiB, whose length a wav header cannot hold (kind of fault: length unknown).
#include <algorithm>
#include <fstream>

#include "core/error.h"
#include "tests/audio/audio_fixtures.h"

namespace stemsmith::testing {
namespace {

constexpr int kChannels = 8, kRate = 384000;
constexpr std::int64_t kFrames = (std::int64_t{1} << 32) / (4 * kChannels) + 1'000'003;

std::string Header(std::uint64_t riff_size, std::uint64_t data_size) {
  return "RIFF" + LittleEndian(riff_size, 4) + "WAVEfmt " + LittleEndian(16, 4) +
         LittleEndian(3, 2) + LittleEndian(kChannels, 2) + LittleEndian(kRate, 4) +
         LittleEndian(std::uint64_t{kRate} * kChannels * 4, 4) + LittleEndian(kChannels * 4, 2) +
         LittleEndian(32, 2) + "data" + LittleEndian(data_size, 4);
}

// A file of zeros that takes no room on the disk, with 0.5 in the last sample.
void WriteSparse(const std::filesystem::path& path, const std::string& header) {
  std::ofstream file(path, std::ios::binary);
  file << header;
  const float last = 0.5f;
  file.seekp(static_cast<std::streamoff>(header.size()) + kFrames * kChannels * 4 - 4);
  file.write(reinterpret_cast<const char*>(&last), 4);
}

TEST(DecodeHuge, AWavAboveFourGigabytesIsReadToItsEnd) {
  const TemporaryFolder folder;
  struct {
    const char* name;
    std::uint64_t riff_size, data_size;
  } const cases[] = {{"ffffffff.wav", 0xffffffff, 0xffffffff},
                     {"zero.wav", 0, 0},
                     // As programs write it that let the 32 bits run over.
                     {"7fffffff.wav", 0x7fffffff, 0x7fffffff}};
  for (const auto& c : cases) {
    WriteSparse(folder / c.name, Header(c.riff_size, c.data_size));
    try {
      const auto reader = OpenAudio(folder / c.name);
      constexpr std::size_t kBlock = 1 << 16;
      std::vector<float> block(kBlock * kChannels);
      std::int64_t frames = 0;
      float last = 0;
      while (const std::size_t count = reader->Read(block.data(), kBlock)) {
        frames += static_cast<std::int64_t>(count);
        last = block[count * kChannels - 1];
      }
      EXPECT_EQ(frames, kFrames) << c.name;
      EXPECT_EQ(last, 0.5f) << c.name;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
    std::filesystem::remove(folder / c.name);
  }
}

// Cut off, such a file is still an error where its header knows the length.
TEST(DecodeHuge, ATruncatedRf64AboveFourGigabytesIsAnError) {
  const TemporaryFolder folder;
  const std::uint64_t bytes = static_cast<std::uint64_t>(kFrames) * kChannels * 4;
  std::string header = Header(0xffffffff, 0xffffffff);
  header.replace(0, 4, "RF64");
  header.insert(12, "ds64" + LittleEndian(28, 4) + LittleEndian(bytes + 100, 8) +
                        LittleEndian(bytes, 8) + LittleEndian(kFrames, 8) + LittleEndian(0, 4));
  WriteSparse(folder / "whole.wav", header);
  EXPECT_EQ(OpenAudio(folder / "whole.wav")->info().expected_frames, kFrames);
  std::filesystem::resize_file(folder / "whole.wav", bytes * 6 / 10);
  EXPECT_THROW(Drain(*OpenAudio(folder / "whole.wav"), 1 << 16), Error);
}

}  // namespace
}  // namespace stemsmith::testing
