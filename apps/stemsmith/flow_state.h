// What `stemsmith run` remembers of finished steps, so that it does again only what is not as it
// was: DIR/run.json.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace stemsmith {

class FlowState {
 public:
  // What the file holds; nothing where there is none, or it is damaged.
  explicit FlowState(std::filesystem::path file);

  // What was remembered of a step; null.
  nlohmann::json Of(const std::string& step) const;
  // Writes the file.
  void Remember(const std::string& step, const nlohmann::json& what);

 private:
  std::filesystem::path file_;
  nlohmann::json steps_;
};

}  // namespace stemsmith
