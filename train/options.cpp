#include "train/options.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "core/error.h"
#include "core/numbers.h"
#include "core/text.h"

namespace stemsmith {
namespace {

constexpr std::int64_t kMany = std::int64_t{1} << 50;

bool SameValue(const std::string& a, const std::string& b) {
  const auto x = ParseNumber(a), y = ParseNumber(b);
  return a == b || (x && y && *x == *y);  // 1e-3 and 0.001
}

void ReadDataset(const Config& dataset, TrainOptions& options) {
  options.cache = dataset.Path("cache");
  options.segment_seconds = dataset.NumberIn("segment_seconds", options.segment_seconds, 1e-3, 1e5);
  options.loader_threads = static_cast<int>(dataset.IntegerIn("threads", 2, 1, 1024));
  options.prefetch_batches = static_cast<int>(dataset.IntegerIn("prefetch_batches", 4, 1, 4096));
  options.memory_mb = dataset.IntegerIn("memory_mb", 0, 0, std::int64_t{1} << 30);
  options.samples_per_epoch = dataset.IntegerIn("samples_per_epoch", 0, 0, kMany);
  options.min_rms_db = dataset.NumberIn("min_rms_db", options.min_rms_db, -120.0, 0.0);
  options.balance_stems = dataset.Bool("balance_stems", false);
  options.on_error = dataset.Choice("on_error", options.on_error, {"fail", "skip"});
}

void ReadTrain(const Config& train, TrainOptions& options) {
  options.epochs = train.IntegerIn("epochs", 0, 0, kMany);
  options.steps = train.IntegerIn("steps", options.epochs > 0 ? 0 : options.steps, 0, kMany);
  if ((options.steps > 0) == (options.epochs > 0)) {
    std::vector<std::string> places;  // of these two, whatever else --set has changed
    for (const char* key : {"steps", "epochs"})
      if (train.Has(key)) places.push_back(train.Value(key).Where());
    const std::string where = places.empty() ? train.Where() : JoinNames(places, " and ");
    if (options.steps > 0)
      throw Error::Usage("train.steps and train.epochs contradict each other", where,
                         "keep one of them, or set the other to 0");
    throw Error::Usage("neither train.steps nor train.epochs says how long to train", where,
                       "set one of them");
  }
  options.batch_size = static_cast<int>(train.IntegerIn("batch_size", 8, 1, 1 << 20));
  options.accumulate = static_cast<int>(train.IntegerIn("accumulate", 1, 1, 65536));
  options.stems_per_step = train.IntegerIn("stems_per_step", 0, 0, kMany);
  options.precision =
      train.Choice("precision", options.precision, {"float32", "bfloat16", "float16"});
  options.activation_checkpointing = train.Bool("activation_checkpointing", false);
  options.deterministic = train.Bool("deterministic", false);
  options.seed = static_cast<std::uint64_t>(train.IntegerIn("seed", 42, 0, kMany));
  options.max_seconds = train.NumberIn("max_seconds", 0.0, 0.0, 1e9);
  if (train.Has("ema_decay")) {
    const std::string decay = train.String("ema_decay", "");
    throw Error::Usage("'train.ema_decay' is written otherwise now", train.Where("ema_decay"),
                       SameValue(decay, "0")
                           ? "leave it out: without `ema` nothing is averaged"
                           : "write ema: {batch: [" + decay + "]} instead, at the top level");
  }
  options.max_bad_batches = train.IntegerIn("max_bad_batches", options.max_bad_batches, 0, kMany);
  options.explosion_factor =
      train.NumberIn("explosion_factor", options.explosion_factor, 0.0, 1e12);
  if (options.explosion_factor > 0.0 && options.explosion_factor <= 1.0) {
    throw Error::Usage("train.explosion_factor must be above 1, or 0",
                       train.Where("explosion_factor"),
                       "0: a loss is only judged by being a finite number");
  }
  options.log_every_steps = train.IntegerIn("log_every_steps", 10, 1, kMany);
  options.sync_batch_norm = train.Bool("sync_batch_norm", true);
}

// Keys of nested maps and lists with dots between: "augment.0.name".
void Flatten(const YAML::Node& node, const std::string& path,
             std::map<std::string, std::string>& out) {
  const std::string prefix = path.empty() ? "" : path + ".";
  if (node.IsMap()) {
    for (const auto& entry : node) Flatten(entry.second, prefix + entry.first.Scalar(), out);
  } else if (node.IsSequence()) {
    for (std::size_t i = 0; i < node.size(); ++i) Flatten(node[i], prefix + std::to_string(i), out);
  } else if (node.IsScalar()) {
    out[path] = node.Scalar();
  }
}

// What a machine may have of its own.
bool IsOfMachine(const std::string& key) {
  static const std::vector<std::string> kKeys = {"dataset.cache", "dataset.threads",
                                                 "dataset.prefetch_batches", "dataset.memory_mb"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

bool MayChange(const std::string& key) {
  static const std::vector<std::string> kKeys = {
      "train.steps",
      "train.epochs",
      "train.max_seconds",
      "train.log_every_steps",
      "train.rank_timeout_seconds",
      "train.max_bad_batches",
      "train.explosion_factor",
      "dataset.on_error",
  };
  return IsOfMachine(key) || key.starts_with("checkpoint.") || key.starts_with("validate.") ||
         key.starts_with("report.") || std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

// Of the keys that are not `left_out`; of those that `before` lacks, the ones in `given`.
std::vector<ConfigChange> Changes(const std::string& before, const std::string& after,
                                  const std::string& given,
                                  bool (*left_out)(const std::string& key)) {
  std::map<std::string, std::string> old_values, new_values, given_values;
  Flatten(YAML::Load(before), "", old_values);
  Flatten(YAML::Load(after), "", new_values);
  Flatten(YAML::Load(given), "", given_values);
  std::vector<ConfigChange> changes;
  for (const auto& [key, value] : old_values) {
    if (left_out(key)) continue;
    const auto now = new_values.find(key);
    if (now == new_values.end()) {
      changes.push_back({key, value, ""});
    } else if (!SameValue(value, now->second)) {
      changes.push_back({key, value, now->second});
    }
  }
  for (const auto& [key, value] : given_values) {
    if (!left_out(key) && !old_values.contains(key)) changes.push_back({key, "", value});
  }
  return changes;
}

}  // namespace

std::string StepText(const TrainOptions& options) {
  const std::string batch = std::to_string(options.batch_size);
  if (options.accumulate == 1) return "train.batch_size (" + batch + ")";
  return "train.batch_size · train.accumulate (" + batch + " · " +
         std::to_string(options.accumulate) + ")";
}

TrainOptions ReadTrainOptions(const Config& config) {
  TrainOptions options;
  ReadDataset(config.Child("dataset"), options);
  ReadTrain(config.Child("train"), options);
  options.rank_timeout_seconds = RankTimeoutSeconds(config);
  options.learning_rate = config.Child("optimizer").NumberIn("lr", options.learning_rate, 0.0, 1e3);
  options.gradient_clip = config.NumberIn("gradient_clip", 0.0, 0.0, 1e9);

  const Config validate = config.Child("validate");
  options.validate_every = validate.IntegerIn("every_steps", 200, 0, kMany);
  options.validate_split = validate.String("split", "valid");
  options.max_segments = validate.IntegerIn("max_segments", 64, 0, kMany);
  options.patience = validate.IntegerIn("patience", 0, 0, kMany);
  if (options.patience > 0 && options.validate_every == 0) {
    throw Error::Usage("validate.patience waits for validations, and validate.every_steps is 0",
                       validate.Where("patience"), "set every_steps, or leave patience out");
  }
  options.songs_every = validate.IntegerIn("songs_every", 0, 0, kMany);
  options.songs_max_seconds = validate.NumberIn("max_seconds", options.songs_max_seconds, 0.0, 1e9);
  const std::string metric = validate.String("metric", "sdr");
  if (metric.starts_with("song_") && options.songs_every == 0) {
    throw Error::Usage(
        "validate.metric: " + metric + " needs whole songs, and " + "validate.songs_every is 0",
        validate.Where("metric"), "set songs_every, or choose sdr or loss");
  }

  const Config checkpoint = config.Child("checkpoint");
  options.checkpoint_every = checkpoint.IntegerIn("every_steps", 200, 0, kMany);
  options.keep = static_cast<int>(checkpoint.IntegerIn("keep", 3, 0, 1 << 20));

  const Config report = config.Child("report");
  options.tensorboard = report.Bool("tensorboard", true);
  options.report_songs = report.IntegerIn("songs", 3, 0, 100);
  options.report_seconds = report.NumberIn("seconds", 8.0, 1.0, 60.0);

  if (options.samples_per_epoch > 0 && options.samples_per_step() > options.samples_per_epoch) {
    throw Error::Usage(StepText(options) + " is larger than dataset.samples_per_epoch (" +
                           std::to_string(options.samples_per_epoch) + ")",
                       config.Child("train").Where("batch_size"),
                       "make the batch smaller or the epoch longer");
  }
  return options;
}

std::string ConfigChange::Text() const {
  const auto shown = [](const std::string& value, const char* none) {
    return value.empty() ? std::string(none) : value;
  };
  return key + ": " + shown(before, "(not there)") + " → " + shown(after, "(gone)");
}

std::vector<ConfigChange> ConfigChanges(const std::string& before, const std::string& after,
                                        const std::string& given) {
  return Changes(before, after, given, MayChange);
}

double RankTimeoutSeconds(const Config& config) {
  return config.Child("train").NumberIn("rank_timeout_seconds", 600.0, 1.0, 86400.0);
}

std::vector<ConfigChange> RankDifferences(const std::string& first, const std::string& other) {
  return Changes(first, other, other, IsOfMachine);
}

}  // namespace stemsmith
