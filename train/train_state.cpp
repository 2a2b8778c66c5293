#include "train/train_state.h"

#include <yaml-cpp/yaml.h>

#include "core/error.h"
#include "core/json_fields.h"
#include "core/option.h"
#include "train/ema.h"

namespace stemsmith {
namespace {

constexpr std::int64_t kMany = std::int64_t{1} << 50;

Error Damaged(const std::string& problem, const std::string& where) {
  return Error::Input("the checkpoint's training state is damaged: " + problem, where,
                      "start again with another " + Option("run"));
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

void TrainState::TakeProgressOf(TrainState saved) {
  saved.config = config;
  saved.cache_fingerprint = cache_fingerprint;
  saved.threads = threads;
  saved.device = device;
  *this = std::move(saved);
}

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
  const JsonFields fields(json,
                          [&](const std::string& problem) { return Damaged(problem, where); });
  const Range<std::int64_t> count = {0, kMany};
  TrainState state;
  state.step = fields.Number("step", count);
  const JsonFields loader = fields.Object("loader");
  state.position.epoch = static_cast<std::uint64_t>(loader.Number("epoch", count));
  state.position.batch = loader.Number("batch", count);
  state.seconds = fields.Number<double>("seconds", {0, 1e12});
  state.loss_sum = fields.Number<double>("loss_sum");
  state.loss_count = fields.Number("loss_count", count);
  for (const auto& [key, figures] :
       {std::pair{"validation", &state.validation}, std::pair{"best", &state.best}}) {
    *figures = fields.Value(key);
    // Told at the end of a run, and compared with the run's step.
    if (!figures->is_null()) fields.Object(key).Number("step", count);
  }
  state.validations_since_best = fields.Number("validations_since_best", count);
  const JsonFields updates = fields.Object("average_updates");
  for (const auto& [name, value] : fields.Value("average_updates").items())
    state.average_updates[name] = updates.Number(name.c_str(), count);
  state.recent_losses = fields.Numbers<double>("recent_losses");
  state.bad_batches = fields.Number("bad_batches", count);
  state.bad_in_row = fields.Number("bad_in_row", count);
  if (fields.Has("schedule")) state.schedule = fields.Value("schedule");
  state.config = fields.Text("config");
  state.cache_fingerprint = fields.Text("cache_fingerprint");
  state.threads = fields.Number<int>("threads", {0, 1 << 20});
  state.device = fields.Text("device");
  if (fields.Has("scaler")) state.scaler = fields.Value("scaler");
  state.ranks = fields.Number<int>("ranks", {1, 1 << 20}, 1);
  return state;
}

void MigrateTraining(Checkpoint& checkpoint, const std::string& where) {
  nlohmann::json& state = checkpoint.training_state;
  const JsonFields fields(state,
                          [&](const std::string& problem) { return Damaged(problem, where); });
  const auto version = fields.Number<std::int64_t>("version");
  if (version > TrainState::kVersion)
    throw Error::Input("the run was written by a newer stemsmith", where, "update stemsmith");
  if (version < 1) {
    throw Error::Input("the run's training state has version " + std::to_string(version) +
                           ": too old to continue from",
                       where, "start again with another " + Option("run"));
  }
  try {
    if (version == 1) MigrateFrom1(checkpoint);
  } catch (const nlohmann::json::exception&) {
    throw Damaged("it cannot be brought to this version", where);
  } catch (const YAML::Exception&) {
    throw Damaged("its configuration is no YAML", where);
  }
}

}  // namespace stemsmith
