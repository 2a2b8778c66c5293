// Where the records of a training lie in its run folder.
#pragma once

#include <filesystem>

namespace stemsmith {

struct RunRecords {
  explicit RunRecords(const std::filesystem::path& run)
      : metrics(run / "metrics.jsonl"), tensorboard(run / "tensorboard"), listen(run / "listen") {}
  std::filesystem::path metrics, tensorboard, listen;
};

}  // namespace stemsmith
