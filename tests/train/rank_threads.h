// Ranks as threads of one process, that meet over its loopback.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "train/distributed.h"

namespace stemsmith::testing {

inline int FreePort() {
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(file, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(file, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(file);
  return ntohs(address.sin_port);
}

inline Launch RankOf(int rank, int size, int port) {
  Launch launch;
  launch.launcher = "test";
  launch.rank = launch.local_rank = rank;
  launch.world_size = launch.local_size = size;
  launch.port = port;
  return launch;
}

// LibTorch records collective calls in one map for the whole process, to which several groups add
// without a lock (2.11.0, FlightRecorder::recordWithResetEnabled): a crash now and then. Outside
// tests a process holds one group. Without room for records, nothing is recorded.
inline void RecordNoCalls() { setenv("TORCH_FR_BUFFER_SIZE", "0", /*overwrite=*/0); }

// What each rank's work threw, by rank.
inline std::vector<std::string> RunRanks(int size, const std::function<void(Ranks&)>& work,
                                         double timeout_seconds = 20) {
  RecordNoCalls();
  const int port = FreePort();
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        Ranks ranks(RankOf(rank, size, port), timeout_seconds);
        try {
          work(ranks);
        } catch (const Error& error) {
          throw ranks.Failed(error);
        }
      } catch (const std::exception& error) {
        errors[static_cast<std::size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

}  // namespace stemsmith::testing
