#include "core/checksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "separate/manifest.h"
#include "tests/support/flips.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;
using testing::WithFlips;
using testing::WriteQuickly;

constexpr ChecksumField kHead{"HEAD the.checksum=", 5};
constexpr ChecksumField kTail{"end the.checksum=", std::nullopt};

std::string Noise(std::size_t bytes, std::uint64_t seed = 1) {
  RandomStream random({seed});
  std::string noise(bytes, '\0');
  for (char& byte : noise) byte = static_cast<char>(random.Bits());
  return noise;
}

class ChecksumTest : public ::testing::Test {
 protected:
  // A file with the field at the place that it names.
  std::string Made(const ChecksumField& field, const std::string& content) {
    const std::size_t place = field.place.value_or(content.size());
    WriteQuickly(path_, content.substr(0, place) + field.Unfilled() + content.substr(place));
    FillChecksum(path_, field);
    return ReadFile(path_);
  }
  // "matches", "none" or "refused"
  std::string State(const std::string& bytes, const ChecksumField& field) {
    WriteQuickly(path_, bytes);
    try {
      const ChecksumState state = CheckChecksum(path_, field, "copy it again");
      EXPECT_EQ(HoldsChecksum(path_, field), state == ChecksumState::kMatches);
      return state == ChecksumState::kMatches ? "matches" : "none";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_status(), 1);
      EXPECT_THAT(error.what(), HasSubstr("does not match its checksum"));
      EXPECT_THAT(error.what(), HasSubstr(path_.string() + "); copy it again"));
      return "refused";
    }
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "file";
};

TEST_F(ChecksumTest, IsTheHashOfAllBytesWithTheDigitsAsZeros) {
  // Below and above what is read at a time.
  for (const std::size_t size : {5u, 300u, 262'144u, 1'000'000u}) {
    for (const ChecksumField& field : {kHead, kTail}) {
      const std::string content = Noise(size);
      const std::string bytes = Made(field, content);
      const std::size_t digits = field.place.value_or(size) + field.mark.size();
      std::string zeroed = bytes;
      zeroed.replace(digits, 16, 16, '0');
      EXPECT_EQ(bytes.substr(digits, 16), HexHash(HashBytes(zeroed))) << size;
      EXPECT_EQ(State(bytes, field), "matches") << size;
      WriteQuickly(path_, content);
      EXPECT_EQ(HashContent(path_), HashBytes(content)) << size;
    }
  }
}

TEST_F(ChecksumTest, RefusesEveryFlippedBit) {
  for (const ChecksumField& field : {kHead, kTail}) {
    const std::string bytes = Made(field, Noise(60));
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] ^= 1 << bit % 8;
      EXPECT_EQ(State(flipped, field), "refused") << "bit " << bit;
    }
    for (std::uint64_t seed = 0; seed < 200; ++seed)
      EXPECT_EQ(State(WithFlips(bytes, 3, seed), field), "refused") << "seed " << seed;
  }
}

TEST_F(ChecksumTest, RefusesFilesCutOffOrAddedTo) {
  for (const ChecksumField& field : {kHead, kTail}) {
    const std::string bytes = Made(field, Noise(500));
    for (const char* more : {"", "\n", "more", "end the.checksum=0123456789abcde"}) {
      if (*more != '\0') {
        EXPECT_EQ(State(bytes + more, field), "refused") << more;
      }
    }
    EXPECT_EQ(State(bytes + std::string(100'000, 'x'), field), "refused");
    // What lacks the field altogether has none; the rest of a file at its end is known by a third.
    const std::size_t least =
        field.place ? 5 + field.mark.size() + 16 : 500 + field.mark.size() / 3;
    for (std::size_t size = least; size < bytes.size(); ++size)
      EXPECT_EQ(State(bytes.substr(0, size), field), "refused") << size;
  }
}

TEST_F(ChecksumTest, FilesOfOthersHaveNone) {
  for (const ChecksumField& field : {kHead, kTail, kOnnxChecksum, kTorchScriptChecksum}) {
    EXPECT_EQ(State("", field), "none");
    EXPECT_EQ(State("short", field), "none");
    EXPECT_EQ(State(Noise(10'000), field), "none");
    EXPECT_EQ(State(std::string(10'000, '\0'), field), "none");
    EXPECT_EQ(State("HEAD the.checkpoint of somebody, end the.checkpoint", field), "none");
  }
  EXPECT_EQ(CheckChecksum(folder_ / "missing", kHead, ""), ChecksumState::kNone);
  EXPECT_EQ(CheckChecksum(folder_.path(), kHead, ""), ChecksumState::kNone);
  EXPECT_THROW(HashContent(folder_ / "missing"), Error);
}

TEST_F(ChecksumTest, BecomesTheCommentOfAnArchive) {
  const std::string end = "PK\x05\x06" + std::string(18, '\0');
  WriteQuickly(path_, "PK entries" + end);
  AppendChecksumToArchive(path_, kTorchScriptChecksum);
  const std::string bytes = ReadFile(path_);
  EXPECT_EQ(bytes.substr(0, 30), ("PK entries" + end).substr(0, 30));
  EXPECT_EQ(bytes.substr(30, 2), std::string("\x28\0", 2));  // 40 bytes follow
  EXPECT_EQ(bytes.size(), 32u + 40);
  EXPECT_EQ(State(bytes, kTorchScriptChecksum), "matches");
  for (const std::string& other : {std::string("PK"), "PK entries" + end + "x", Noise(100)}) {
    WriteQuickly(path_, other);
    EXPECT_THROW(AppendChecksumToArchive(path_, kTorchScriptChecksum), Error);
  }
}

TEST_F(ChecksumTest, TheOnnxFieldIsAMetadataEntry) {
  // Its lengths: of the entry, the key and the value.
  const std::string field = kOnnxChecksum.Unfilled();
  EXPECT_EQ(static_cast<std::size_t>(field[1]), field.size() - 2);
  EXPECT_EQ(static_cast<std::size_t>(field[3]), std::string("stemsmith.checksum").size());
  EXPECT_EQ(static_cast<std::size_t>(field[23]), std::string("xxh3:").size() + 16);
}

}  // namespace
}  // namespace stemsmith
