// What torchrun, mpirun and srun tell the processes that they start about each other.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace stemsmith {

// One process alone unless said otherwise.
struct Launch {
  std::string launcher;  // "torchrun", "mpirun", "srun"; empty for a process alone
  int rank = 0, world_size = 1;
  int local_rank = 0, local_size = 1;  // among the processes of this machine
  // Where the ranks meet: rank 0 listens there, or torchrun does in its stead.
  std::string address = "127.0.0.1";
  int port = 29500;
  bool launcher_listens = false;
  std::string prefix;  // of the keys in torchrun's store
  int restarts = 0;    // how often torchrun has started this group again

  // Whether all ranks are on this machine and talk over its loopback.
  bool on_loopback() const;
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;
// The process's own.
std::optional<std::string> EnvironmentVariable(const std::string& name);

// In this order: torchrun's variables (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT), OpenMPI's,
// those of Hydra (MPICH, Intel MPI), SLURM's. With MPI and SLURM, MASTER_ADDR and MASTER_PORT are
// used where they are set; else the first machine of the SLURM step, this machine where all ranks
// are on it, and a port made of the job's number. Throws Error for variables that contradict each
// other, and where nothing says which machine rank 0 is on.
Launch ReadLaunch(const Environment& environment = EnvironmentVariable);

// The first machine of a SLURM list: "node[03-05,7],x1" → "node03".
std::string FirstHost(const std::string& nodes);

// Compute threads for a process that was given none: the processors that it may use, shared with
// the other ranks of the machine.
int ThreadsForRank(const Launch& launch);

}  // namespace stemsmith
