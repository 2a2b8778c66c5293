#include "tests/apps/distributed_program_test.h"

namespace stemsmith {
namespace distributed_program_test {

using ::testing::HasSubstr;
using testing::ProgramResult;
using testing::RunProgram;

class DistributedProgram : public testing::RanksTest {};

// Batch norm, augmentation, clipping and the figures of validation among it.
TEST_F(DistributedProgram, TwoRanksTrainAsOneWithTheDoubledBatch) {
  Must(Train("one", "--set train.batch_size=4"));
  const ProgramResult two = RunProgram(Pair("two"));
  EXPECT_THAT(two.out, HasSubstr("0 0\n")) << ReadFile(Path("two.0")) << ReadFile(Path("two.1"));
  EXPECT_LE(Difference("one", "two"), 1e-5);
  EXPECT_THAT(ReadFile(Path("two.0")), HasSubstr("2 ranks of 2 samples: 4 per step"));
  EXPECT_EQ(ReadFile(Path("two.1")), "") << "rank 0 alone says how it goes";
  // And with batches that are added up.
  const std::string add = "--set train.accumulate=2 train.steps=10 train.batch_size=";
  Must(Train("added_one", add + "2"));
  const ProgramResult added = RunProgram(Pair("added_two", add + "1"));
  EXPECT_THAT(added.out, HasSubstr("0 0\n")) << ReadFile(Path("added_two.0"));
  EXPECT_LE(Difference("added_one", "added_two"), 1e-5);
}

TEST_F(DistributedProgram, AKilledRankEndsTheOtherAndTheRunGoesOnExactly) {
  const std::string more = "--set train.steps=10 model.dropout=0.3 train.sync_batch_norm=false";
  const ProgramResult whole = RunProgram(Pair("whole", more));
  ASSERT_THAT(whole.out, HasSubstr("0 0\n")) << ReadFile(Path("whole.0"));
  for (const std::string victim : {"first", "second"}) {
    const std::string run = "cut_" + victim, step = Path(run) + "/checkpoints/step_000005";
    const ProgramResult cut =
        RunProgram(Pair(run, more, WaitFor(step + ".safetensors") + " kill -9 $" + victim + ";"));
    const int other = victim == "first" ? 1 : 0;
    EXPECT_EQ(cut.out, other == 1 ? "137 1\n" : "1 137\n") << cut.err;
    EXPECT_EQ(Errors(run, other), 1);
    EXPECT_THAT(ReadFile(Path(run) + "." + std::to_string(other)),
                HasSubstr("another rank is gone or silent"));
    const ProgramResult again = RunProgram(Pair(run, "--resume " + more));
    EXPECT_THAT(again.out, HasSubstr("0 0\n")) << ReadFile(Path(run) + ".0");
    EXPECT_EQ(Figures(run), Figures("whole"));
  }
  const ProgramResult alone = RunProgram(Train("whole", "--resume " + more));
  EXPECT_EQ(alone.status, 2);
  EXPECT_THAT(alone.err, HasSubstr("started with 2 ranks and is resumed with 1"));
}

TEST_F(DistributedProgram, ASignalToOneRankStopsAllAtTheSameStep) {
  const std::string last = Path("stopped") + "/checkpoints/step_000005.safetensors";
  const ProgramResult stopped =
      RunProgram(Pair("stopped", "--set train.steps=5000 validate.every_steps=0",
                      WaitFor(last) + " kill -TERM $second;"));
  EXPECT_THAT(stopped.out, HasSubstr("143 143\n")) << stopped.err;
  EXPECT_THAT(stopped.out, HasSubstr("continue with --resume"));
  EXPECT_EQ(Errors("stopped", 0) + Errors("stopped", 1), 0);
}

TEST_F(DistributedProgram, ARunThatIsThereAlreadyEndsBothRanksWithOneErrorEach) {
  Must(Train("there", "--set train.steps=1 validate.every_steps=0"));
  const ProgramResult again = RunProgram(Pair("there"));
  EXPECT_EQ(again.out, "2 1\n");
  EXPECT_EQ(Errors("there", 0), 1);
  EXPECT_EQ(Errors("there", 1), 1);
  EXPECT_THAT(ReadFile(Path("there.1")), HasSubstr("rank 0: this folder already holds a run"));
}

}  // namespace distributed_program_test
}  // namespace stemsmith
