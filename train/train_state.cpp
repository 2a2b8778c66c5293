#include "train/train_state.h"

#include <yaml-cpp/yaml.h>

#include "core/error.h"
#include "train/ema.h"

namespace stemsmith {
namespace {

Error Damaged(const std::string& where) {
  return Error::Input("the checkpoint's training state is damaged", where,
                      "start anew with another --run");
}

void MigrateFrom1(Checkpoint& checkpoint) {
  nlohmann::json& state = checkpoint.training_state;
  YAML::Node config = YAML::Load(state.at("config").get<std::string>());
  const double decay = config["train"]["ema_decay"].as<double>(0.0);
  if (config["train"].IsMap()) config["train"].remove("ema_decay");
  std::map<std::string, std::int64_t> updates;
  if (decay > 0.0) {
    config["ema"]["batch"].push_back(decay);
    const std::string name = AverageName("batch", decay), raw = "raw.";
    updates[name] = state.at("step").get<std::int64_t>();
    NamedTensors weights, training;
    for (auto& [key, tensor] : checkpoint.training) {
      if (key.starts_with(raw)) {
        weights.emplace_back(key.substr(raw.size()), tensor);
      } else {
        training.emplace_back(key, tensor);
      }
    }
    for (auto& [key, tensor] : checkpoint.weights)
      training.emplace_back("average." + name + "." + key, tensor);
    checkpoint.weights = std::move(weights);
    checkpoint.training = std::move(training);
    for (const char* figures : {"validation", "best"}) {
      if (state.at(figures).is_object()) state[figures]["average"] = name;
    }
  }
  YAML::Emitter text;
  text << config;
  state["config"] = text.c_str();
  state["average_updates"] = updates;
  state["validations_since_best"] = 0;
  state["recent_losses"] = nlohmann::json::array();
  state["bad_batches"] = state["bad_in_row"] = 0;
  state["version"] = 2;
}

}  // namespace

nlohmann::json TrainState::ToJson() const {
  return {{"version", kVersion},
          {"step", step},
          {"loader", {{"epoch", position.epoch}, {"batch", position.batch}}},
          {"seconds", seconds},
          {"loss_sum", loss_sum},
          {"loss_count", loss_count},
          {"validation", validation},
          {"best", best},
          {"validations_since_best", validations_since_best},
          {"average_updates", average_updates},
          {"recent_losses", recent_losses},
          {"bad_batches", bad_batches},
          {"bad_in_row", bad_in_row},
          {"schedule", schedule},
          {"config", config},
          {"cache_fingerprint", cache_fingerprint},
          {"threads", threads},
          {"device", device},
          {"scaler", scaler},
          {"ranks", ranks}};
}

TrainState TrainState::FromJson(const nlohmann::json& json, const std::string& where) {
  TrainState state;
  try {
    json.at("step").get_to(state.step);
    json.at("loader").at("epoch").get_to(state.position.epoch);
    json.at("loader").at("batch").get_to(state.position.batch);
    json.at("seconds").get_to(state.seconds);
    json.at("loss_sum").get_to(state.loss_sum);
    json.at("loss_count").get_to(state.loss_count);
    state.validation = json.at("validation");
    state.best = json.at("best");
    json.at("validations_since_best").get_to(state.validations_since_best);
    json.at("average_updates").get_to(state.average_updates);
    json.at("recent_losses").get_to(state.recent_losses);
    json.at("bad_batches").get_to(state.bad_batches);
    json.at("bad_in_row").get_to(state.bad_in_row);
    if (json.contains("schedule")) state.schedule = json.at("schedule");
    json.at("config").get_to(state.config);
    json.at("cache_fingerprint").get_to(state.cache_fingerprint);
    json.at("threads").get_to(state.threads);
    json.at("device").get_to(state.device);
    state.scaler = json.value("scaler", nlohmann::json());
    state.ranks = json.value("ranks", 1);
  } catch (const nlohmann::json::exception&) {
    throw Damaged(where);
  }
  return state;
}

void MigrateTraining(Checkpoint& checkpoint, const std::string& where) {
  nlohmann::json& state = checkpoint.training_state;
  try {
    const int version = state.at("version").get<int>();
    if (version > TrainState::kVersion) {
      throw Error::Input("the run was written by a newer stemsmith", where, "update stemsmith");
    }
    if (version < 1) {
      throw Error::Input("the run's training state has version " + std::to_string(version) +
                             ": too old to go on from",
                         where, "start anew with another --run");
    }
    if (version == 1) MigrateFrom1(checkpoint);
  } catch (const nlohmann::json::exception&) {
    throw Damaged(where);
  } catch (const YAML::Exception&) {
    throw Damaged(where);
  }
}

}  // namespace stemsmith
