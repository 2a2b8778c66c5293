// The models that the web app offers, looked at by `stemsmith inspect` as a child process: neither a
// damaged file nor a large model touches the server.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "serve/programs.h"

namespace stemsmith {

struct ServedModel {
  std::string name;
  std::filesystem::path file;  // or the folder of an export
  // What inspect says of it; `problem` is why it cannot be used now.
  std::string kind;
  std::vector<std::string> stems;
  int sample_rate_hz = 0, channels = 0;
  std::string fingerprint;  // another for other content
  std::string problem;
};

class ServedModels {
 public:
  struct Choice {
    std::string name;
    std::filesystem::path file;
  };
  // Looks at all of them. Throws Error where one cannot be used, or two have one name.
  ServedModels(const Programs& programs, const std::vector<Choice>& choices);

  // As they are now: those whose files have changed are looked at again.
  std::vector<ServedModel> All();
  // The model of this name, "" being the first; throws Error::Usage (nearest, all names) for others.
  ServedModel Find(const std::string& name);

 private:
  struct Row {
    ServedModel model;
    std::vector<std::filesystem::path> files = {};
    std::string stamp = {};  // of these: sizes, times, numbers
  };
  void Refresh(Row& row);

  const Programs& programs_;
  std::mutex mutex_;
  std::vector<Row> rows_;
};

}  // namespace stemsmith
