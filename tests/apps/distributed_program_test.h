// Trainings by several ranks of the program, on a cache that is small enough for a test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "core/files.h"
#include "tests/apps/songs_and_cache.h"

namespace stemsmith::testing {

class RanksTest : public SongsAndCache {
 protected:
  static void SetUpTestSuite() {
    SongsAndCache::SetUpTestSuite();
    WriteFileAtomically(Path("ranks.yaml"),
                        "dataset: {cache: " + Path("cache.h5") +
                            ", segment_seconds: 0.2, threads: 1}\n"
                            "augment: [{name: gain, range_db: [-3, 3]}, {name: remix}]\n"
                            "model: {name: unet, n_fft: 512, hop: 128, depth: 3, channels: 4}\n"
                            "optimizer: {name: sgd, lr: 1e-2, momentum: 0.9}\n"
                            "gradient_clip: 1\n"
                            "train: {steps: 20, batch_size: 2, seed: 1, log_every_steps: 1, "
                            "rank_timeout_seconds: 60}\n"
                            "validate: {every_steps: 10, max_segments: 7}\n"
                            "checkpoint: {every_steps: 5}\n");
  }

  static std::string Stemsmith() { return kStemsmith + " "; }
  static std::string Train(const std::string& run, const std::string& more = "") {
    return Stemsmith() + "train " + Path("ranks.yaml") + " --run " + Path(run) +
           " --device cpu --threads 1 " + more + " ";
  }
  // The command by two ranks with the variables of a SLURM step, `between` while they run ($first
  // and $second are their processes). Prints both exit codes; their errors go to RUN.0 and RUN.1.
  static std::string Pair(const std::string& run, const std::string& more = "",
                          const std::string& between = "") {
    const std::string port = std::to_string(20000 + HashBytes(Path(run) + more, 0) % 9000);
    const std::string step = "SLURM_STEP_NUM_TASKS=2 SLURM_TASKS_PER_NODE=2 MASTER_PORT=" + port;
    std::string command;
    for (const std::string rank : {"0", "1"}) {
      command += step + " SLURM_PROCID=" + rank + " SLURM_LOCALID=" + rank + " " +
                 Train(run, more) + "2>" + Path(run) + "." + rank + " & " +
                 (rank == "0" ? "first" : "second") + "=$!; ";
    }
    return command + between + " wait $first; a=$?; wait $second; echo $a $?";
  }
  static std::string WaitFor(const std::string& file) {
    return "for i in $(seq 1200); do [ -e " + file + " ] && break; sleep 0.05; done;";
  }
  static int Errors(const std::string& run, int rank) {
    std::istringstream lines(ReadFile(Path(run) + "." + std::to_string(rank)));
    int errors = 0;
    for (std::string line; std::getline(lines, line);) errors += line.starts_with("error: ");
    return errors;
  }

  static std::vector<nlohmann::json> Records(const std::string& run) {
    std::vector<nlohmann::json> records;
    std::istringstream lines(ReadFile(Path(run) + "/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);)
      records.push_back(nlohmann::json::parse(line));
    return records;
  }
  // All losses, and the size of the estimates' errors over that of the references.
  static std::vector<double> Figures(const std::string& run) {
    std::vector<double> figures;
    for (const nlohmann::json& record : Records(run)) {
      if (record.contains("loss")) figures.push_back(record["loss"]);
      if (!record.contains("sdr_db")) continue;
      for (const auto& [stem, sdr] : record["sdr_db"].items())
        figures.push_back(std::pow(10.0, -sdr.get<double>() / 20.0));
    }
    return figures;
  }
  // The largest difference between the figures of two runs, relative to each.
  static double Difference(const std::string& one, const std::string& other) {
    const std::vector<double> a = Figures(one), b = Figures(other);
    EXPECT_GE(a.size(), 14u) << one;
    EXPECT_EQ(a.size(), b.size());
    double largest = 0.0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      largest = std::max(largest, std::abs(a[i] - b[i]) / std::abs(a[i]));
    return largest;
  }
};

}  // namespace stemsmith::testing
