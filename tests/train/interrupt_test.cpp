// Signals in the middle of training. Each run is a process of its own (a death test started
// afresh), which shares a folder with the test through an environment variable.
#include "core/interrupt.h"

#include <signal.h>
#include <stdlib.h>

#include "tests/train/training_fixture.h"

namespace stemsmith {
namespace {

constexpr char kShared[] = "STEMSMITH_INTERRUPT_TEST_FOLDER";

class Interrupt : public testing::TrainingTest {
 protected:
  Interrupt() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    if (getenv(kShared) == nullptr) {
      owner_ = true;
      setenv(kShared, folder_.path().c_str(), 1);
    }
    shared_ = getenv(kShared);
    if (owner_) {
      testing::MakeCache(shared_ / "cache.h5");
      WriteFile(shared_ / "config.yaml", testing::ConfigText(shared_ / "cache.h5"));
    }
  }
  ~Interrupt() override {
    if (owner_) unsetenv(kShared);
  }

  TrainResult TrainIn(const std::string& run, bool resume, int signal_after_6 = 0) {
    TrainRequest request;
    request.run = shared_ / run;
    request.resume = resume;
    request.device = "cpu";
    request.threads = 1;
    request.host.stop = InterruptSignal;
    request.after_step = [=](std::int64_t step) {
      if (signal_after_6 != 0 && step == 6) raise(signal_after_6);
    };
    return Train(Config::Load(shared_ / "config.yaml"), request);
  }
  void ExpectSameAsUninterrupted() {
    const auto last = [&](const char* run) {
      return shared_ / run / "checkpoints/last.safetensors";
    };
    TrainIn("whole", false);
    TrainIn("parts", true);
    ExpectSameCheckpoint(last("whole"), last("parts"));
  }

  bool owner_ = false;
  std::filesystem::path shared_;
};

TEST_F(Interrupt, CtrlCFinishesTheStepAndSaves) {
  EXPECT_EXIT(
      {
        CatchInterrupts();
        const TrainResult result = TrainIn("parts", false, SIGINT);
        _exit(result.step == 6 ? 128 + result.signal : 1);
      },
      ::testing::ExitedWithCode(130), "");
  EXPECT_EQ(LoadCheckpoint(shared_ / "parts/checkpoints/last.safetensors").training_state["step"],
            6);
  ExpectSameAsUninterrupted();
}

TEST_F(Interrupt, TerminationFinishesTheStepAndSaves) {
  EXPECT_EXIT(
      {
        CatchInterrupts();
        const TrainResult result = TrainIn("parts", false, SIGTERM);
        _exit(result.step == 6 ? 128 + result.signal : 1);
      },
      ::testing::ExitedWithCode(143), "");
  ExpectSameAsUninterrupted();
}

TEST_F(Interrupt, AHangUpFinishesTheStepAndSaves) {
  EXPECT_EXIT(
      {
        CatchInterrupts();
        const TrainResult result = TrainIn("parts", false, SIGHUP);
        _exit(result.step == 6 ? 128 + result.signal : 1);
      },
      ::testing::ExitedWithCode(129), "");
  ExpectSameAsUninterrupted();
}

TEST_F(Interrupt, AKilledRunResumesWithTheSameBits) {
  EXPECT_EXIT(TrainIn("parts", false, SIGKILL), ::testing::KilledBySignal(SIGKILL), "");
  EXPECT_EQ(LoadCheckpoint(shared_ / "parts/checkpoints/last.safetensors").training_state["step"],
            4);
  ExpectSameAsUninterrupted();
}

}  // namespace
}  // namespace stemsmith
