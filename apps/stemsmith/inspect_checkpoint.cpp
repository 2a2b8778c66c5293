// stemsmith inspect: checkpoints and the run folders that hold them.
#include "apps/stemsmith/inspect.h"
#include "core/text.h"
#include "models/checkpoint.h"

namespace stemsmith {

void InspectCheckpoint(const InspectArguments& arguments) {
  const std::filesystem::path file = ResolveCheckpoint(arguments.file);
  const Checkpoint checkpoint = LoadCheckpoint(file, Warn);
  const ModelSetting& setting = checkpoint.setting;
  std::int64_t values = 0;
  for (const auto& [name, tensor] : checkpoint.weights) values += tensor.numel();
  const std::string model =
      Config::Parse(checkpoint.model_config, file.string()).String("name", "");
  std::string text = "checkpoint " + file.string() + "\n  model        " + model;
  text += Formatted(", %.2f million parameters in %zu tensors\n", static_cast<double>(values) / 1e6,
                    checkpoint.weights.size());
  text += "  stems        " + JoinNames(setting.stems) + '\n';
  text += Formatted("  audio        %d Hz, %d channels, segments of %.2f s\n",
                    setting.sample_rate_hz, setting.channels,
                    static_cast<double>(checkpoint.segment_frames) / setting.sample_rate_hz);
  nlohmann::json fields = {{"kind", "checkpoint"},
                           {"file", file.string()},
                           {"model", model},
                           {"model_config", checkpoint.model_config},
                           {"values", values},
                           {"stems", setting.stems},
                           {"sample_rate_hz", setting.sample_rate_hz},
                           {"channels", setting.channels},
                           {"segment_frames", checkpoint.segment_frames}};
  if (checkpoint.source.is_object()) {
    fields["source"] = checkpoint.source;
    for (const auto& [key, value] : checkpoint.source.items())
      text += "  " + key + std::string(key.size() < 13 ? 13 - key.size() : 1, ' ') +
              (value.is_object() ? value.value("file", "?") + ", sha256 " + value.value("sha256", "?")
                                 : value.is_string() ? value.get<std::string>() : "?") +
              '\n';
  }
  const nlohmann::json& state = checkpoint.training_state;
  if (state.is_object()) {
    for (const char* key : {"step", "best", "validation"}) {
      if (state.contains(key)) fields[key] = state[key];
    }
    text += "  trained      " + (state.contains("step") ? state["step"].dump() : "?") + " steps";
    text += checkpoint.training.empty() ? "\n" : ", training can continue from here\n";
    if (state.contains("best") && state["best"].is_object()) {
      const auto& best = state["best"];
      if (best.contains("mean_sdr_db") && best["mean_sdr_db"].is_number()) {
        text +=
            Formatted("  best         validation SDR %.2f dB\n", best["mean_sdr_db"].get<double>());
      }
    }
  }
  PrintResult(arguments.mode, text, fields);
}

}  // namespace stemsmith
