#include "apps/stemsmith/flow_state.h"

#include "core/error.h"
#include "core/files.h"
#include "core/json_fields.h"

namespace stemsmith {
namespace {
constexpr int kVersion = 1;
}  // namespace

FlowState::FlowState(std::filesystem::path file)
    : file_(std::move(file)), steps_(nlohmann::json::object()) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(file_, code)) return;
  const nlohmann::json json = ParseJson(ReadFile(file_));
  if (json.is_object() && json.value("version", nlohmann::json()) == kVersion &&
      json.value("steps", nlohmann::json()).is_object())
    steps_ = json["steps"];
}

nlohmann::json FlowState::Of(const std::string& step) const {
  return steps_.value(step, nlohmann::json());
}

void FlowState::Remember(const std::string& step, const nlohmann::json& what) {
  steps_[step] = what;
  WriteFileAtomically(file_,
                      nlohmann::json({{"version", kVersion}, {"steps", steps_}}).dump(2) + "\n");
}

}  // namespace stemsmith
