#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>

#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "models/checkpoint.h"
#include "tests/models/tiny_models.h"
#include "tests/support/error_of.h"
#include "tests/support/flips.h"
#include "tests/support/heard.h"
#include "tests/support/made_files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {
namespace {

using ::testing::HasSubstr;

std::string File(const std::string& header, const std::string& data = "") {
  std::string bytes(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}

// A file of ours as earlier versions wrote it.
std::string WithoutChecksum(std::string bytes) {
  const std::string begin = R"({"__metadata__": {)", entry = R"("stemsmith.checksum": "xxh3:)";
  EXPECT_EQ(bytes.compare(8, begin.size() + entry.size(), begin + entry), 0);
  return bytes.replace(8 + begin.size(), entry.size() + 18, entry.size() + 18, ' ');
}

TEST(Safetensors, KeepsEveryTypeShapeAndMetadata) {
  TemporaryFolder folder;
  torch::manual_seed(3);
  const NamedTensors tensors = {{"bool", torch::tensor({true, false, true})},
                                {"f32", torch::randn({3, 4, 5})},
                                {"u8", torch::arange(7, torch::kUInt8)},
                                {"f64", torch::randn({2}, torch::kFloat64)},
                                {"scalar", torch::tensor(4.5f)},
                                {"empty", torch::zeros({0, 3})},
                                {"half", torch::randn({5}).to(torch::kFloat16)},
                                {"bf16", torch::randn({5}).to(torch::kBFloat16)},
                                {"i64", torch::arange(-2, 3, torch::kInt64) * (int64_t{1} << 40)},
                                {"i32", torch::tensor({-5, 6}, torch::kInt32)},
                                {"i16", torch::tensor({-5, 6}, torch::kInt16)},
                                {"i8", torch::tensor({-5, 6}, torch::kInt8)},
                                {"strided", torch::randn({4, 6}).t()}};
  const std::vector<std::pair<std::string, std::string>> metadata = {{"zeta", "1"},
                                                                     {"alpha", "ä\n\"x\""}};
  SaveSafetensors(folder / "all.safetensors", tensors, metadata);
  const SafetensorsFile loaded = LoadSafetensors(folder / "all.safetensors");
  EXPECT_EQ(loaded.metadata, metadata);
  ASSERT_EQ(loaded.tensors.size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(loaded.tensors[i].first, tensors[i].first);
    EXPECT_EQ(loaded.tensors[i].second.scalar_type(), tensors[i].second.scalar_type());
    EXPECT_TRUE(torch::equal(loaded.tensors[i].second, tensors[i].second)) << tensors[i].first;
  }
}

// Readers that map the file need every tensor at a multiple of its element size.
TEST(Safetensors, AlignsTheData) {
  TemporaryFolder folder;
  SaveSafetensors(
      folder / "a.safetensors",
      {{"b", torch::zeros({3}, torch::kUInt8)}, {"d", torch::zeros({2}, torch::kFloat64)}}, {});
  const std::string bytes = ReadFile(folder / "a.safetensors");
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  EXPECT_EQ(header_bytes % 8, 0u);
  const auto header = nlohmann::json::parse(bytes.substr(8, header_bytes));
  EXPECT_EQ(header["d"]["data_offsets"][0], 0);
  EXPECT_EQ(header["b"]["data_offsets"][0], 16);
}

TEST(Safetensors, RefusesEveryUnsoundHeader) {
  TemporaryFolder folder;
  const std::string f32 = R"("dtype":"F32")";
  const std::map<std::string, std::string> files = {
      {"empty", ""},
      {"seven bytes", "1234567"},
      {"length beyond the file", std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8) + "{}"},
      {"largest length", std::string(8, '\xff') + "{}"},
      {"text", "This is a text file, not a model at all."},
      {"no JSON", File("nothing")},
      {"no object", File("[1,2]")},
      {"half a JSON", File(R"({"a":{"dtype")")},
      {"deep nesting", File(std::string(50000, '['))},
      {"data without tensors", File("{}", "1234")},
      {"not an object", File(R"({"a":3})")},
      {"no dtype", File(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", "1234")},
      {"unknown dtype", File(R"({"a":{"dtype":"Q7","shape":[1],"data_offsets":[0,4]}})", "1234")},
      {"no shape", File("{\"a\":{" + f32 + R"(,"data_offsets":[0,4]}})", "1234")},
      {"negative shape",
       File("{\"a\":{" + f32 + R"(,"shape":[-1],"data_offsets":[0,4]}})", "1234")},
      {"broken shape", File("{\"a\":{" + f32 + R"(,"shape":[1.5],"data_offsets":[0,4]}})", "1234")},
      {"overflowing shape",
       File("{\"a\":{" + f32 +
            R"(,"shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}})")},
      {"zero times overflow",
       File("{\"a\":{" + f32 +
            R"(,"shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]}})")},
      {"size above 64 bits",
       File("{\"a\":{" + f32 + R"(,"shape":[99999999999999999999],"data_offsets":[0,4]}})",
            "1234")},
      {"too few bytes", File("{\"a\":{" + f32 + R"(,"shape":[2],"data_offsets":[0,4]}})", "1234")},
      {"reversed offsets",
       File("{\"a\":{" + f32 + R"(,"shape":[1],"data_offsets":[4,0]}})", "1234")},
      {"offsets outside",
       File("{\"a\":{" + f32 + R"(,"shape":[1],"data_offsets":[4,8]}})", "1234")},
      {"one offset", File("{\"a\":{" + f32 + R"(,"shape":[1],"data_offsets":[0]}})", "1234")},
      {"negative offset",
       File("{\"a\":{" + f32 + R"(,"shape":[1],"data_offsets":[-4,0]}})", "1234")},
      {"overlap", File("{\"a\":{" + f32 + R"(,"shape":[1],"data_offsets":[0,4]},"b":{)" + f32 +
                           R"(,"shape":[1],"data_offsets":[2,6]}})",
                       "123456")},
      {"gap", File("{\"a\":{" + f32 + R"(,"shape":[1],"data_offsets":[0,4]},"b":{)" + f32 +
                       R"(,"shape":[1],"data_offsets":[6,10]}})",
                   "1234567890")},
      {"cut off", File("{\"a\":{" + f32 + R"(,"shape":[2],"data_offsets":[0,8]}})", "1234")},
      {"data behind", File("{\"a\":{" + f32 + R"(,"shape":[1],"data_offsets":[0,4]}})", "12345")},
      {"metadata of numbers", File(R"({"__metadata__":{"a":1}})")},
      {"metadata as a list", File(R"({"__metadata__":[]})")},
  };
  for (const auto& [what, bytes] : files) {
    WriteFileAtomically(folder / "bad.safetensors", bytes);
    const std::string text =
        MessageOf([&] { LoadSafetensors(folder / "bad.safetensors"); }, ExitCode::kInputFailed);
    EXPECT_NE(text.find("bad.safetensors"), std::string::npos) << what << ": " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << what << ": " << text;
  }
  EXPECT_THROW(LoadSafetensors(folder / "absent.safetensors"), Error);
  EXPECT_THROW(LoadSafetensors(folder.path()), Error);
}

// Thousands of damaged copies: each loads or is refused with an Error; nothing else is thrown,
// nothing crashes.
TEST(Safetensors, TypesThatAreNotReadAreNamed) {
  const TemporaryFolder folder;
  for (const char* type : {"F8_E4M3", "C64", "U16"}) {
    WriteFileAtomically(folder / "other.safetensors",
                        File(std::string(R"({"a.b":{"dtype":")") + type +
                                 R"(","shape":[4],"data_offsets":[0,4]}})",
                             "1234"));
    EXPECT_EQ(MessageOf([&] { LoadSafetensors(folder / "other.safetensors"); }),
              "the tensor \"a.b\" is of the type " + std::string(type) + ", which is not read (" +
                  (folder / "other.safetensors").string() +
                  "); convert it to float32 with Python, or leave it out, and save the file again");
  }
}

TEST(Safetensors, SurvivesDamagedFiles) {
  TemporaryFolder folder;
  const auto path = folder / "damaged.safetensors";
  Checkpoint checkpoint;
  checkpoint.model_config = "name: unet";
  checkpoint.setting = Setting(2);
  checkpoint.segment_frames = 1000;
  checkpoint.weights = {{"a.weight", torch::randn({2, 3})}, {"b", torch::tensor({true, false})}};
  SaveCheckpoint(path, checkpoint);
  // Without a checksum, so that what is damaged is read at all.
  const std::string sound = WithoutChecksum(ReadFile(path));
  Heard heard;
  RandomStream random({7});
  const std::string spice = "{}[]\",:0123456789-.eE\\nulltrue";
  int refused = 0;
  constexpr int kTries = 1500;
  for (int i = 0; i < kTries; ++i) {
    std::string bytes = sound;
    const int edits = 1 + static_cast<int>(random.Below(4));
    for (int e = 0; e < edits && !bytes.empty(); ++e) {
      const std::size_t at = random.Below(bytes.size());
      switch (random.Below(5)) {
        case 0:
          bytes[at] = static_cast<char>(random.Bits());
          break;
        case 1:
          bytes[at] = spice[random.Below(spice.size())];
          break;
        case 2:
          bytes.erase(at, 1 + random.Below(8));
          break;
        case 3:
          bytes.insert(at, 1, spice[random.Below(spice.size())]);
          break;
        default:
          bytes.resize(at);
      }
    }
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      LoadCheckpoint(path, heard.host().warn);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_THAT(heard.Take(), HasSubstr("carries no checksum"));
  EXPECT_GT(refused, kTries / 2);
}

class SafetensorsChecksum : public ::testing::Test {
 protected:
  SafetensorsChecksum() {
    Checkpoint checkpoint;
    checkpoint.model_config = "name: unet";
    checkpoint.setting = Setting(2);
    checkpoint.segment_frames = 1000;
    torch::manual_seed(1);
    checkpoint.weights = {{"a.weight", torch::randn({20, 30})}};
    checkpoint.training_state = {{"step", 12}};
    SaveCheckpoint(path_, checkpoint);
  }
  std::string Problem() {
    return MessageOf([&] { LoadCheckpoint(path_); });
  }
  std::string Told() {
    Heard heard;
    EXPECT_NO_THROW(LoadCheckpoint(path_, heard.host().warn));
    return heard.Take();
  }
  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "c.safetensors";
};

TEST_F(SafetensorsChecksum, FindsDamage) {
  EXPECT_EQ(Told(), "");
  const std::string sound = ReadFile(path_);
  for (const Damage& damage : AllDamage(sound)) {
    WriteQuickly(path_, damage.bytes);
    EXPECT_THAT(Problem(), HasSubstr("does not match its checksum")) << damage.name;
  }
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (const int count : {1, 50}) {
      // All over the file, and in the field.
      WriteQuickly(path_, WithFlips(sound, count, seed));
      EXPECT_THAT(Problem(), HasSubstr("does not match its checksum")) << seed;
      WriteQuickly(path_, WithFlips(sound, 1 + count / 20, seed, 8, 68));
      EXPECT_THAT(Problem(), HasSubstr("does not match its checksum")) << seed;
    }
  }
}

TEST_F(SafetensorsChecksum, FilesWithoutOneOpenWithANoteWhereTheyAreOurs) {
  const std::string sound = ReadFile(path_);
  WriteQuickly(path_, WithoutChecksum(sound));
  const std::string note = Told();
  EXPECT_THAT(note, HasSubstr(path_.string() + " carries no checksum"));
  EXPECT_EQ(std::count(note.begin(), note.end(), '\n'), 1) << note;
  // As Python's safetensors writes what it read, with a change: without spaces, in any order.
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, sound.data(), 8);
  std::string header = sound.substr(8, header_bytes);
  for (const char* space : {" {\"stem", " \"xxh3"}) header.erase(header.find(space), 1);
  std::string rewritten = sound.substr(0, 8) + header + "  " + sound.substr(8 + header_bytes);
  rewritten.back() ^= 1;
  WriteQuickly(path_, rewritten);
  EXPECT_THAT(Told(), HasSubstr("carries no checksum"));
  // Files of others say nothing.
  WriteQuickly(path_, File(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32",)"
                           R"("shape":[1],"data_offsets":[0,4]}})",
                           "1234"));
  TerminalCapture terminal;
  EXPECT_FALSE(LoadSafetensors(path_).has_checksum);
  EXPECT_EQ(terminal.Text(), "");
}

TEST(Safetensors, LeavesNothingBehindWhereItCannotWrite) {
  TemporaryFolder folder;
  WriteFileAtomically(folder / "file", "x");
  EXPECT_THROW(SaveSafetensors(folder / "file" / "a.safetensors", {{"a", torch::zeros({2})}}, {}),
               Error);
}

}  // namespace
}  // namespace stemsmith::testing
