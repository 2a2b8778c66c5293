// What ranks hand to each other at the start: their configurations, and the checkpoint to go on
// from.
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/option.h"
#include "stemsmith_version.h"
#include "train/distributed.h"
#include "train/options.h"

namespace stemsmith {
namespace {

nlohmann::json Describe(const NamedTensors& tensors) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [name, tensor] : tensors) {
    list.push_back({{"name", name},
                    {"type", static_cast<int>(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()}});
  }
  return list;
}

NamedTensors Room(const nlohmann::json& list) {
  NamedTensors tensors;
  for (const nlohmann::json& item : list) {
    tensors.emplace_back(item["name"].get<std::string>(),
                         torch::empty(item["shape"].get<std::vector<std::int64_t>>(),
                                      static_cast<torch::ScalarType>(item["type"].get<int>())));
  }
  return tensors;
}

}  // namespace

void BroadcastCheckpoint(const Ranks& ranks, Checkpoint& checkpoint) {
  if (!ranks.several()) return;
  nlohmann::json header = {{"weights", Describe(checkpoint.weights)},
                           {"training", Describe(checkpoint.training)},
                           {"stems", checkpoint.setting.stems},
                           {"state", checkpoint.training_state}};
  header = nlohmann::json::parse(ranks.Broadcast(header.dump()));
  if (!ranks.first()) {
    checkpoint.weights = Room(header["weights"]);
    checkpoint.training = Room(header["training"]);
    header["stems"].get_to(checkpoint.setting.stems);
    checkpoint.training_state = header["state"];
  }
  ranks.Broadcast(checkpoint.weights);
  ranks.Broadcast(checkpoint.training);
}

void CheckRanksAgree(const Ranks& ranks, const std::string& config,
                     const std::string& cache_fingerprint) {
  if (!ranks.several()) return;
  const nlohmann::json mine = {
      {"config", config}, {"cache", cache_fingerprint}, {"version", STEMSMITH_VERSION}};
  const std::vector<std::string> texts = ranks.Gather(mine.dump());
  const nlohmann::json first = nlohmann::json::parse(texts[0]);
  const auto text = [](const nlohmann::json& json, const char* key) {
    return json[key].get<std::string>();
  };
  for (std::size_t rank = 1; rank < texts.size(); ++rank) {
    const nlohmann::json other = nlohmann::json::parse(texts[rank]);
    const std::string name = "rank " + std::to_string(rank);
    if (text(other, "version") != text(first, "version")) {
      throw Error::Usage(
          name + " runs stemsmith " + text(other, "version") + ", rank 0 " + text(first, "version"),
          name, "start the same program on all machines");
    }
    const auto changes = RankDifferences(text(first, "config"), text(other, "config"));
    if (!changes.empty()) {
      throw Error::Usage(
          name + " has another configuration than rank 0: " + changes.front().Text() +
              (changes.size() > 1 ? ", and " + std::to_string(changes.size() - 1) + " more" : ""),
          name, "start all ranks with the same configuration and " + Option("set"));
    }
    if (text(other, "cache") != text(first, "cache")) {
      throw Error::Usage(name + " reads another cache than rank 0", "",
                         "copy the same cache to all machines");
    }
  }
}

}  // namespace stemsmith
