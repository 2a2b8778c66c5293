// Random forests: what they learn, and their files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "tests/baselines/small_forest.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using testing::Energy;
using testing::ErrorOf;
using testing::ForestStems;
using ::testing::HasSubstr;
using testing::kForestRate;
using testing::LargestDifference;
using testing::Separated;
using testing::SmallForest;
using testing::Sum;

class Forest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
#ifdef STEMSMITH_HAS_OPENCV
    folder_ = new testing::TemporaryFolder();
    FitForest(SmallForest(File()));
#endif
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  void SetUp() override {
    if (folder_ == nullptr) GTEST_SKIP() << "built without OpenCV";
  }
  static fs::path File(const std::string& name = "small.forest") { return *folder_ / name; }
  static std::string Settings(const fs::path& file = File()) { return "model: " + file.string(); }
  static Error ErrorWith(const std::string& bytes) {
    std::ofstream(File("broken"), std::ios::binary) << bytes;
    return ErrorOf([] { Separated("forest", Settings(File("broken")), AudioBuffer(1, 9), 44100); });
  }

  inline static testing::TemporaryFolder* folder_ = nullptr;
};

double ErrorShare(const AudioBuffer& reference, AudioBuffer estimate) {
  for (std::size_t i = 0; i < reference.samples().size(); ++i)
    estimate.samples()[i] -= reference.samples()[i];
  return Energy(estimate) / Energy(reference);
}

TEST_F(Forest, SeparatesSongsThatItHasNotHeard) {
  // At its own rate, and at others the sounds of the same pitch.
  for (const int rate : {kForestRate, 44100, 32000}) {
    const auto stems = ForestStems(static_cast<std::size_t>(3 * rate), rate, 17);
    const AudioBuffer song = Sum(stems[0], stems[1]);
    const auto estimates = Separated("forest", Settings(), song, rate);
    for (std::size_t s = 0; s < 2; ++s)
      EXPECT_LT(ErrorShare(stems[s], estimates[s]), 0.15) << rate << " Hz, stem " << s;
    EXPECT_LT(LargestDifference(Sum(estimates[0], estimates[1]), song), 1e-5);
  }
}

TEST_F(Forest, GivesTheSameBytesForTheSameRequest) {
  FitForest(SmallForest(File("again")));
  EXPECT_EQ(ReadFile(File("again")), ReadFile(File()));
  ForestFitRequest other = SmallForest(File("other"));
  other.options.seed = 2;
  FitForest(other);
  EXPECT_NE(ReadFile(File("other")), ReadFile(File()));
}

TEST_F(Forest, SaysWhatItIs) {
  const std::string bytes = ReadFile(File());
  for (const char* part : {"stemsmith.forest.checksum=xxh3:", R"("stems":["low","high"])",
                           R"("sample_rate_hz":22050)", R"("songs":["one","two"])"})
    EXPECT_THAT(bytes.substr(0, 2000), HasSubstr(part));
  EXPECT_EQ(ContentOf(File()), FileContent::kForest);
}

TEST_F(Forest, IsRefusedByCommandsThatWantModels) {
  for (const FileUse use : {FileUse::kStartWeights, FileUse::kSeparateModel}) {
    const Error error = ErrorOf([&] { CheckContent(File(), use); });
    EXPECT_THAT(error.what(), HasSubstr("this is a random forest, not a "));
    EXPECT_THAT(error.what(), HasSubstr("a forest does not export"));
    EXPECT_THAT(error.what(), HasSubstr("stemsmith baseline forest SONG"));
  }
}

TEST_F(Forest, RefusesDamagedFiles) {
  const std::string bytes = ReadFile(File());
  for (const std::size_t place :
       {std::size_t{40}, std::size_t{60}, std::size_t{300}, bytes.size() / 2, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[place] ^= 4;
    const Error error = ErrorWith(damaged);
    EXPECT_EQ(error.code(), ExitCode::kInputFailed);
    EXPECT_THAT(error.where(), HasSubstr("broken"));
    EXPECT_THAT(error.advice(), HasSubstr("--fit"));
  }
  EXPECT_THAT(ErrorWith(bytes.substr(0, bytes.size() / 2)).advice(), HasSubstr("--fit"));
  EXPECT_THAT(ErrorWith(bytes.substr(0, 20)).advice(), HasSubstr("--fit"));
}

TEST_F(Forest, RefusesFilesOfOtherKinds) {
  EXPECT_THAT(ErrorWith(std::string("RIFF\x24\0\0\0WAVEfmt ", 16)).what(),
              HasSubstr("this is a song, not a forest"));
  EXPECT_THAT(ErrorWith("words").what(), HasSubstr("this is a text file, not a forest"));
  EXPECT_THAT(ErrorOf([] {
                Separated("forest", Settings(File("missing")), AudioBuffer(1, 9), 44100);
              }).where(),
              HasSubstr("missing"));
}

TEST_F(Forest, MustBeFitted) {
  const Error error = ErrorOf([] { Separated("forest", "{}", AudioBuffer(1, 9), 44100); });
  EXPECT_EQ(error.code(), ExitCode::kWrongUse);
  EXPECT_THAT(error.what(), HasSubstr("must be fitted first"));
}

TEST_F(Forest, LeavesNothingWhenStopped) {
  for (const int asked : {1, 4}) {  // within the songs, between the trees
    ForestFitRequest request = SmallForest(File("stopped"));
    int count = 0;
    request.host.stop = [&] { return ++count > asked ? SIGINT : 0; };
    EXPECT_TRUE(ErrorOf([&] { FitForest(request); }).stopped_by_signal());
    for (const auto& entry : fs::directory_iterator(folder_->path()))
      EXPECT_EQ(entry.path().filename().string().find("stopped"), std::string::npos);
  }
}

TEST_F(Forest, LearnsNothingFromSilence) {
  ForestFitRequest request = SmallForest(File("silent"));
  request.songs.read = [](std::size_t, std::int64_t, std::int64_t frames, float* out) {
    std::fill_n(out, 4 * frames, 0.0f);
  };
  EXPECT_THAT(ErrorOf([&] { FitForest(request); }).what(), HasSubstr("silent"));
  EXPECT_FALSE(fs::exists(request.out));
}

}  // namespace
}  // namespace stemsmith
