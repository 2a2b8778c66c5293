#include "train/launcher.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/error_of.h"

namespace stemsmith {
namespace launcher_test {

Launch Read(const std::map<std::string, std::string>& variables) {
  return ReadLaunch([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

std::string Refusal(const std::map<std::string, std::string>& variables) {
  return testing::MessageOf([&] { Read(variables); });
}

TEST(Launcher, NumbersThatAreNoneAreRefused) {
  for (const char* text : {"", "nan", "1x", " 1", "1.5", "0x1", "99999999999", "-1"}) {
    const std::string said = Refusal({{"RANK", text}, {"WORLD_SIZE", "2"}});
    EXPECT_NE(said.find("RANK must be a whole number from 0 to 65536, not '"), std::string::npos)
        << text << ": " << said;
  }
  EXPECT_NE(Refusal({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "1e9"}})
                .find("MASTER_PORT must be a whole number from 1 to 65535, not '1e9'"),
            std::string::npos);
}

TEST(Launcher, NothingSetIsOneRankAlone) {
  const Launch launch = Read({{"MASTER_ADDR", "node1"}});
  EXPECT_EQ(launch.world_size, 1);
  EXPECT_TRUE(launch.launcher.empty());
}

TEST(Launcher, OneRankOfTorchrunIsAGroupAndAJobOfOneIsNot) {
  const Launch one = Read({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"MASTER_PORT", "4711"}});
  EXPECT_EQ(one.launcher, "torchrun");
  EXPECT_EQ(one.world_size, 1);
  EXPECT_EQ(one.port, 4711);
  EXPECT_TRUE(
      Read({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}}).launcher.empty());
}

TEST(Launcher, ReadsTorchrun) {
  const Launch launch = Read({{"RANK", "3"},
                              {"WORLD_SIZE", "4"},
                              {"LOCAL_RANK", "1"},
                              {"LOCAL_WORLD_SIZE", "2"},
                              {"MASTER_ADDR", "node1"},
                              {"MASTER_PORT", "4711"},
                              {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                              {"TORCHELASTIC_RESTART_COUNT", "2"}});
  EXPECT_EQ(launch.launcher, "torchrun");
  EXPECT_EQ(launch.rank, 3);
  EXPECT_EQ(launch.world_size, 4);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 2);
  EXPECT_EQ(launch.address, "node1");
  EXPECT_EQ(launch.port, 4711);
  EXPECT_TRUE(launch.launcher_listens);
  EXPECT_EQ(launch.prefix, "/worker/attempt_2");
  EXPECT_EQ(launch.restarts, 2);
  EXPECT_FALSE(launch.on_loopback());
}

TEST(Launcher, VariablesSetByHandNeedNoLocalOnes) {
  const Launch here = Read({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}});
  EXPECT_EQ(here.local_rank, 1);
  EXPECT_TRUE(here.on_loopback());
  EXPECT_FALSE(here.launcher_listens);
  const Launch apart = Read({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "node1"}});
  EXPECT_EQ(apart.local_rank, 0);
  EXPECT_EQ(apart.local_size, 1);
}

TEST(Launcher, ReadsOpenMpiAndMpich) {
  const Launch open = Read({{"OMPI_COMM_WORLD_RANK", "1"},
                            {"OMPI_COMM_WORLD_SIZE", "2"},
                            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                            {"PMIX_NAMESPACE", "12345"}});
  EXPECT_EQ(open.launcher, "mpirun");
  EXPECT_EQ(open.rank, 1);
  EXPECT_TRUE(open.on_loopback());
  EXPECT_NE(open.port, Launch().port) << "two jobs on a machine would meet";
  const Launch hydra = Read({{"PMI_RANK", "1"},
                             {"PMI_SIZE", "2"},
                             {"MPI_LOCALRANKID", "0"},
                             {"MPI_LOCALNRANKS", "1"},
                             {"MASTER_ADDR", "node1"}});
  EXPECT_EQ(hydra.rank, 1);
  EXPECT_EQ(hydra.local_rank, 0);
  EXPECT_EQ(hydra.address, "node1");
}

TEST(Launcher, RanksOfMpirunOnSeveralMachinesNeedAnAddress) {
  EXPECT_NE(Refusal({{"OMPI_COMM_WORLD_RANK", "1"},
                     {"OMPI_COMM_WORLD_SIZE", "2"},
                     {"OMPI_COMM_WORLD_LOCAL_RANK", "0"},
                     {"OMPI_COMM_WORLD_LOCAL_SIZE", "1"}})
                .find("MASTER_ADDR"),
            std::string::npos);
}

TEST(Launcher, ReadsSlurmStepsAndNotBatchScripts) {
  std::map<std::string, std::string> batch = {{"SLURM_PROCID", "0"},
                                              {"SLURM_NTASKS", "3"},
                                              {"SLURM_LOCALID", "0"},
                                              {"SLURM_JOB_ID", "77"},
                                              {"SLURM_JOB_NODELIST", "gpu[07-08]"},
                                              {"SLURM_TASKS_PER_NODE", "1,2"}};
  EXPECT_EQ(Read(batch).world_size, 1);
  std::map<std::string, std::string> step = batch;
  step["SLURM_PROCID"] = "2";
  step["SLURM_LOCALID"] = "1";
  step["SLURM_STEP_NUM_TASKS"] = "3";
  const Launch launch = Read(step);
  EXPECT_EQ(launch.launcher, "srun");
  EXPECT_EQ(launch.rank, 2);
  EXPECT_EQ(launch.world_size, 3);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 2);
  EXPECT_EQ(launch.address, "gpu07");
  EXPECT_EQ(launch.port, Read(step).port);
  step["SLURM_JOB_ID"] = "78";
  EXPECT_NE(launch.port, Read(step).port);
  step["MASTER_PORT"] = "4000";
  EXPECT_EQ(Read(step).port, 4000);
}

TEST(Launcher, FindsTheFirstHostOfASlurmList) {
  EXPECT_EQ(FirstHost("node7"), "node7");
  EXPECT_EQ(FirstHost("node7,node9"), "node7");
  EXPECT_EQ(FirstHost("node[03-05,7],x1"), "node03");
  EXPECT_EQ(FirstHost("a,node[03-05]"), "a");
  EXPECT_EQ(FirstHost("rack[1-2]-a,b"), "rack1-a");
  EXPECT_EQ(FirstHost("node[12"), "node12");
  EXPECT_EQ(FirstHost(""), "");
}

TEST(Launcher, RefusesVariablesThatCannotBe) {
  EXPECT_NE(Refusal({{"RANK", "0"}}).find("WORLD_SIZE"), std::string::npos);
  EXPECT_NE(Refusal({{"RANK", "2"}, {"WORLD_SIZE", "2"}}).find("rank 2 of 2"), std::string::npos);
  EXPECT_NE(Refusal({{"RANK", "x"}, {"WORLD_SIZE", "2"}}).find("'x'"), std::string::npos);
  EXPECT_NE(
      Refusal({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "99999"}}).find("MASTER_PORT"),
      std::string::npos);
}

TEST(Launcher, SharesTheProcessorsOfAMachine) {
  Launch launch;
  const int alone = ThreadsForRank(launch);
  EXPECT_GE(alone, 1);
  launch.launcher = "torchrun";
  launch.world_size = launch.local_size = 2 * alone;
  EXPECT_EQ(ThreadsForRank(launch), 1);
}

}  // namespace launcher_test
}  // namespace stemsmith
