#include "train/train_state.h"

#include "core/error.h"

namespace stemsmith {

nlohmann::json TrainState::ToJson() const {
  return {{"version", kVersion},
          {"step", step},
          {"loader", {{"epoch", position.epoch}, {"batch", position.batch}}},
          {"seconds", seconds},
          {"loss_sum", loss_sum},
          {"loss_count", loss_count},
          {"validation", validation},
          {"best", best},
          {"config", config},
          {"cache_fingerprint", cache_fingerprint},
          {"threads", threads},
          {"device", device},
          {"ranks", ranks}};
}

TrainState TrainState::FromJson(const nlohmann::json& json, const std::string& where) {
  TrainState state;
  try {
    if (json.at("version").get<int>() > kVersion) {
      throw Error::Input("the run was written by a newer stemsmith", where, "update stemsmith");
    }
    json.at("step").get_to(state.step);
    json.at("loader").at("epoch").get_to(state.position.epoch);
    json.at("loader").at("batch").get_to(state.position.batch);
    json.at("seconds").get_to(state.seconds);
    json.at("loss_sum").get_to(state.loss_sum);
    json.at("loss_count").get_to(state.loss_count);
    state.validation = json.at("validation");
    state.best = json.at("best");
    json.at("config").get_to(state.config);
    json.at("cache_fingerprint").get_to(state.cache_fingerprint);
    json.at("threads").get_to(state.threads);
    json.at("device").get_to(state.device);
    state.ranks = json.value("ranks", 1);
  } catch (const nlohmann::json::exception&) {
    throw Error::Input("the checkpoint's training state is damaged", where,
                       "start anew with another --run");
  }
  return state;
}

}  // namespace stemsmith
