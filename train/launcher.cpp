#include "train/launcher.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "core/files.h"
#include "core/numbers.h"

namespace stemsmith {
namespace {

constexpr int kMostRanks = 1 << 16;

std::optional<int> Number(const Environment& environment, const std::string& name, int low,
                          int high) {
  const auto text = environment(name);
  if (!text) return std::nullopt;
  return RequireNumber<int>(*text, {low, high}, name, "environment",
                            "start the ranks with torchrun, mpirun or srun");
}

int Needed(const Environment& environment, const std::string& name, const std::string& beside,
           int low, int high) {
  if (const auto value = Number(environment, name, low, high)) return *value;
  throw Error::Usage(beside + " is set but " + name + " is not", "environment",
                     "start the ranks with torchrun, mpirun or srun, or unset " + beside);
}

// The names of a launcher's variables; the first that is set of each list counts.
struct Variables {
  const char* launcher;
  const char *rank, *size;
  const char *local_rank, *local_size;
};
constexpr Variables kTorchrun = {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK",
                                 "LOCAL_WORLD_SIZE"};
constexpr Variables kOpenMpi = {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                                "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Variables kHydra = {"mpirun", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID",
                              "MPI_LOCALNRANKS"};

bool IsThisMachine(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

void ReadPlaces(const Environment& environment, const Variables& names, Launch& launch) {
  launch.launcher = names.launcher;
  launch.world_size = Needed(environment, names.size, names.rank, 1, kMostRanks);
  launch.rank = Needed(environment, names.rank, names.size, 0, kMostRanks);
  // Set by hand, without the local ones: as many machines as ranks, unless they meet on this one.
  const bool here = IsThisMachine(environment("MASTER_ADDR").value_or("localhost"));
  launch.local_rank =
      Number(environment, names.local_rank, 0, kMostRanks).value_or(here ? launch.rank : 0);
  launch.local_size =
      Number(environment, names.local_size, 1, kMostRanks).value_or(here ? launch.world_size : 1);
}

// SLURM says how many ranks each machine has as "2(x3),1": the most of them.
int SlurmLocalSize(const std::string& tasks_per_node, int world_size) {
  int most = 0;
  for (std::size_t at = 0; at < tasks_per_node.size();) {
    const std::size_t end = std::min(tasks_per_node.find_first_of("(,", at), tasks_per_node.size());
    most = std::max(most, NumberIn<int>(tasks_per_node.substr(at, end - at), {}).value_or(0));
    at = std::min(tasks_per_node.find(',', at), tasks_per_node.size() - 1) + 1;
  }
  return most >= 1 && most <= world_size ? most : world_size;
}

void ReadSlurm(const Environment& environment, Launch& launch) {
  // A batch script has SLURM_PROCID and SLURM_NTASKS too, though only srun starts ranks.
  const bool in_step = environment("SLURM_STEP_NUM_TASKS").has_value();
  const Variables names = {"srun", "SLURM_PROCID",
                           in_step ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS", "SLURM_LOCALID",
                           nullptr};
  if (!in_step && !environment("MASTER_ADDR")) return;
  launch.launcher = names.launcher;
  launch.world_size = Needed(environment, names.size, names.rank, 1, kMostRanks);
  launch.rank = Needed(environment, names.rank, names.size, 0, kMostRanks);
  launch.local_rank = Number(environment, names.local_rank, 0, kMostRanks).value_or(launch.rank);
  auto tasks = environment("SLURM_STEP_TASKS_PER_NODE");
  if (!tasks) tasks = environment("SLURM_TASKS_PER_NODE");
  launch.local_size = SlurmLocalSize(tasks.value_or(""), launch.world_size);
}

// Jobs that share a machine must not meet each other.
int PortOfJob(const Environment& environment) {
  std::string job;
  for (const char* name : {"SLURM_JOB_ID", "SLURM_STEP_ID", "PMIX_NAMESPACE", "PMI_JOBID"})
    job += environment(name).value_or("") + "/";
  return job == "////" ? Launch().port : 20000 + static_cast<int>(HashBytes(job, 0) % 9000);
}

std::string AddressOfJob(const Environment& environment, const Launch& launch) {
  if (const auto address = environment("MASTER_ADDR")) return *address;
  if (launch.local_size == launch.world_size) return "127.0.0.1";
  for (const char* name : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"}) {
    if (const auto nodes = environment(name); nodes && !nodes->empty()) return FirstHost(*nodes);
  }
  throw Error::Usage(
      launch.launcher +
          " started ranks on several machines, and nothing says where "
          "they meet",
      "environment",
      "set MASTER_ADDR to the machine of rank 0, as with mpirun -x MASTER_ADDR=HOST");
}

}  // namespace

std::optional<std::string> EnvironmentVariable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

std::string FirstHost(const std::string& nodes) {
  const std::size_t open = nodes.find('['), comma = nodes.find(',');
  if (open == std::string::npos || comma < open) return nodes.substr(0, comma);
  const std::size_t end = nodes.find_first_of(",-]", open + 1);
  const std::size_t close = nodes.find(']', open);
  std::string host = nodes.substr(0, open) + nodes.substr(open + 1, end - open - 1);
  if (close != std::string::npos) {
    const std::size_t next = nodes.find(',', close);  // "rack[1-2]-a" has a tail
    host += nodes.substr(close + 1, next == std::string::npos ? next : next - close - 1);
  }
  return host;
}

Launch ReadLaunch(const Environment& environment) {
  const auto has = [&](const char* name) { return environment(name).has_value(); };
  Launch launch;
  if (has(kTorchrun.rank) || has(kTorchrun.size)) {
    ReadPlaces(environment, kTorchrun, launch);
    launch.launcher_listens = environment("TORCHELASTIC_USE_AGENT_STORE") == "True";
    launch.restarts = Number(environment, "TORCHELASTIC_RESTART_COUNT", 0, kMostRanks).value_or(0);
    if (launch.launcher_listens)
      launch.prefix = "/worker/attempt_" + std::to_string(launch.restarts);
  } else if (has(kOpenMpi.rank) || has(kOpenMpi.size)) {
    ReadPlaces(environment, kOpenMpi, launch);
  } else if (has(kHydra.rank) && has(kHydra.size)) {
    ReadPlaces(environment, kHydra, launch);
  } else if (has("SLURM_PROCID")) {
    ReadSlurm(environment, launch);
  }
  if (launch.rank >= launch.world_size || launch.local_rank >= launch.local_size ||
      launch.local_size > launch.world_size) {
    throw Error::Usage("rank " + std::to_string(launch.rank) + " of " +
                           std::to_string(launch.world_size) + " (on its machine " +
                           std::to_string(launch.local_rank) + " of " +
                           std::to_string(launch.local_size) + ") cannot be",
                       "environment", "start the ranks with torchrun, mpirun or srun");
  }
  // Jobs of one process are often no launch at all; torchrun's variables are set for nothing else.
  if (launch.world_size == 1 && launch.launcher != kTorchrun.launcher) return Launch();
  launch.address = AddressOfJob(environment, launch);
  const auto port = Number(environment, "MASTER_PORT", 1, 65535);
  launch.port = port ? *port : PortOfJob(environment);
  return launch;
}

bool Launch::on_loopback() const { return local_size == world_size && IsThisMachine(address); }

int ThreadsForRank(const Launch& launch) {
  const int all = static_cast<int>(std::max(1l, sysconf(_SC_NPROCESSORS_ONLN)));
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  int mine = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : all;
  mine = std::max(1, mine);
  // mpirun and srun may have bound each rank to processors of its own.
  const bool shared = launch.launcher == "torchrun" || mine == all;
  return shared ? std::max(1, mine / launch.local_size) : mine;
}

}  // namespace stemsmith
