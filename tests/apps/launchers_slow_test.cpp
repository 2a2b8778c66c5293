// Two ranks as people start them, against one rank with the doubled batch.
#include <cstdio>
#include <filesystem>

#include "tests/apps/distributed_program_test.h"

namespace stemsmith {
namespace launchers_slow_test {

using testing::ProgramResult;
using testing::RunProgram;

// Empty where it is not installed.
std::string Torchrun() {
  const std::string path = STEMSMITH_SOURCE_DIR "/.deps/venv/bin/torchrun";
  return std::filesystem::exists(path)
             ? path + " --no-python --nproc-per-node 2 --master-port 29617 -- "
             : "";
}
std::string Mpirun() {
  return RunProgram("mpirun --version").status == 0
             ? "mpirun --allow-run-as-root --oversubscribe --bind-to none -n 2 "
             : "";
}

class Launchers : public testing::RanksTest {
 protected:
  // Adam divides by the gradients' size and so magnifies the rounding of small ones.
  void ExpectAsOne(const std::string& name, const std::string& launcher) {
    if (launcher.empty()) GTEST_SKIP() << name << " is not installed: tools/setup.sh --tests";
    for (const auto& [optimizer, tolerance] :
         {std::pair<std::string, double>("sgd", 1e-5), {"adam", 1e-4}}) {
      const std::string one = name + "_one_" + optimizer, two = name + "_two_" + optimizer;
      Must(TrainWith(optimizer, one) + "--set train.batch_size=4");
      Must("OMP_NUM_THREADS=1 " + launcher + TrainWith(optimizer, two));
      const double difference = Difference(one, two);
      EXPECT_LE(difference, tolerance);
      std::printf("%s, %s: largest relative difference %.1e\n", name.c_str(), optimizer.c_str(),
                  difference);
    }
  }

 private:
  static std::string TrainWith(const std::string& optimizer, const std::string& run) {
    std::string config = ReadFile(Path("ranks.yaml"));
    if (optimizer == "adam") {
      const std::string sgd = "{name: sgd, lr: 1e-2, momentum: 0.9}";
      config.replace(config.find(sgd), sgd.size(), "{name: adam, lr: 1e-3}");
    }
    WriteFileAtomically(Path(optimizer + ".yaml"), config);
    return Stemsmith() + "train " + Path(optimizer + ".yaml") + " --run " + Path(run) +
           " --device cpu --threads 1 ";
  }
};

TEST_F(Launchers, TorchrunsRanksTrainAsOne) { ExpectAsOne("torchrun", Torchrun()); }
TEST_F(Launchers, MpirunsRanksTrainAsOne) { ExpectAsOne("mpirun", Mpirun()); }

// The whole group is started again with the same command, and goes on by itself.
TEST_F(Launchers, TorchrunStartsAGroupAnewThatGoesOn) {
  const std::string launcher = Torchrun();
  if (launcher.empty()) GTEST_SKIP() << "torchrun is not installed: tools/setup.sh --tests";
  Must("OMP_NUM_THREADS=1 " + launcher + Train("whole"));
  std::string again = launcher;
  again.insert(again.find("-- "), "--max-restarts 1 ");
  // One of the two ranks, which are torchrun's children's children.
  Must("OMP_NUM_THREADS=1 " + again + Train("cut") + "& torchrun=$!; " +
       WaitFor(Path("cut") + "/checkpoints/step_000005.safetensors") +
       " kill -9 $(pgrep -P $torchrun | tail -n 1); wait $torchrun");
  EXPECT_EQ(Figures("cut"), Figures("whole"));
}

}  // namespace launchers_slow_test
}  // namespace stemsmith
