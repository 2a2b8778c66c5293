// Damage to model files: nothing runs that was not written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "core/error.h"
#include "core/files.h"
#include "separate/runtime.h"
#include "tests/support/error_of.h"
#include "tests/support/flips.h"
#include "tests/support/heard.h"
#include "tests/support/made_files.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using testing::AllDamage;
using testing::Damage;
using ::testing::HasSubstr;
using testing::TemporaryFolder;
using testing::WithFlips;
using testing::WriteQuickly;

void Open(const fs::path& path, const Listener& warn = {}) {
  Runtime::Open(path, {.device = "cpu", .warn = warn});
}
std::string OpenError(const fs::path& path) {
  return testing::MessageOf([&] { Open(path); }, ExitCode::kInputFailed);
}

class RuntimeDamage : public ::testing::Test {
 protected:
  RuntimeDamage() {
    testing::WriteGainOnnx(onnx_, testing::TinyManifest(), {0.25f, -2.0f});
    const auto made = testing::RunProgram(STEMSMITH_BIN_DIR "/make_tiny_torchscript " +
                                          torchscript_.string() + " 0.25 -2");
    EXPECT_EQ(made.status, 0) << made.err;
  }
  // As an earlier version wrote them.
  static std::string OldOnnx(const std::string& bytes) {
    return bytes.substr(kOnnxChecksum.Unfilled().size());
  }
  static std::string OldTorchScript(std::string bytes) {
    bytes.resize(bytes.size() - kTorchScriptChecksum.Unfilled().size());
    bytes.replace(bytes.size() - 2, 2, 2, '\0');
    return bytes;
  }
  // What is told while it opens.
  std::string Told(const fs::path& path) {
    testing::Heard heard;
    EXPECT_NO_THROW(Open(path, heard.host().warn));
    return heard.Take();
  }
  TemporaryFolder folder_;
  fs::path onnx_ = folder_ / "model.onnx", torchscript_ = folder_ / "model.ts";
};

TEST_F(RuntimeDamage, IsRefused) {
  for (const fs::path& path : {onnx_, torchscript_}) {
    const std::string sound = ReadFile(path);
    EXPECT_EQ(Told(path), "");
    for (const Damage& damage : AllDamage(sound)) {
      WriteQuickly(path, damage.bytes);
      const std::string message = OpenError(path);
      EXPECT_NE(message, "") << path << ", " << damage.name;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      WriteQuickly(path, WithFlips(sound, 1, seed, 4));
      EXPECT_THAT(OpenError(path), HasSubstr("does not match its checksum")) << path << seed;
      // In so small a file these may leave nothing of the field.
      WriteQuickly(path, WithFlips(sound, 50, seed, 4));
      EXPECT_NE(OpenError(path), "") << path << seed;
    }
  }
}

TEST_F(RuntimeDamage, FilesOfEarlierVersionsOpenWithANote) {
  WriteQuickly(onnx_, OldOnnx(ReadFile(onnx_)));
  WriteQuickly(torchscript_, OldTorchScript(ReadFile(torchscript_)));
  for (const fs::path& path : {onnx_, torchscript_}) {
    const std::string note = Told(path);
    EXPECT_THAT(note, HasSubstr("warning: " + path.string() + " carries no checksum"));
    EXPECT_EQ(std::count(note.begin(), note.end(), '\n'), 1) << note;
  }
}

// Archives have checksums of their own, of each entry, which LibTorch does not compare.
TEST_F(RuntimeDamage, EntriesOfAnArchiveWithoutOurChecksumAreCompared) {
  const std::string sound = OldTorchScript(ReadFile(torchscript_));
  const auto refused = [&](const std::string& bytes) {
    WriteQuickly(torchscript_, bytes);
    return OpenError(torchscript_);
  };
  // The gains, the manifest and the names of what there is.
  const std::string gains("\0\0\x80\x3e\0\0\0\xc0", 8);
  for (const std::string& what : {gains, std::string("\"segment_frames\""), std::string("gains")}) {
    const std::size_t at = sound.find(what);
    ASSERT_NE(at, std::string::npos) << what;
    std::string flipped = sound;
    flipped[at + what.size() - 1] ^= 1;
    EXPECT_THAT(refused(flipped), HasSubstr("checksum")) << what;
  }
  // Python can leave them out: then all are zero, in the table at the end.
  std::string without = sound;
  for (std::size_t at = 0; (at = without.find("PK\x01\x02", at)) != std::string::npos; at += 4)
    without.replace(at + 16, 4, 4, '\0');
  WriteQuickly(torchscript_, without);
  EXPECT_THAT(Told(torchscript_), HasSubstr("carries no checksum"));
}

}  // namespace
}  // namespace stemsmith
