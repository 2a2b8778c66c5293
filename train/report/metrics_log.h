// metrics.jsonl: one JSON object per line, each with "event" ("train" or "validation") and "step".
// Lines are appended as they come, so that a running training can be followed.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/host.h"

namespace stemsmith {

class MetricsLog {
 public:
  // Keeps the lines up to `last_step` of a file that is there (a resumed run says the rest again)
  // and drops a line cut off by a crash; -1 starts an empty file.
  MetricsLog(std::filesystem::path path, std::int64_t last_step, Listener warn = {});
  // A full disk is a warning, given once: training is worth more than its log.
  void Append(const nlohmann::json& record);

  // All whole lines; an empty list where there is no file.
  static std::vector<nlohmann::json> Read(const std::filesystem::path& path);

 private:
  std::filesystem::path path_;
  std::ofstream out_;
  const Listener warn_;
  bool warned_ = false;
};

}  // namespace stemsmith
