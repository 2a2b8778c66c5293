// stemsmith inspect: exported models.
#include "apps/stemsmith/inspect.h"
#include "core/json_text.h"
#include "core/text.h"
#include "separate/engine_rule.h"
#include "separate/manifest.h"
#include "separate/model_files.h"
#include "separate/runtime.h"

namespace stemsmith {

void InspectModel(const InspectArguments& arguments) {
  RuntimeOptions options = {.warn = Warn};
  options.device = "cpu";
  options.manifest_file = arguments.manifest;
  const std::filesystem::path file = ResolveModel(arguments.file);
  const auto runtime = Runtime::Open(file, options);
  const Manifest& manifest = runtime->manifest();
  const ModelFiles files = FilesOfModel(file, arguments.manifest);
  std::vector<std::string> names;
  for (const std::filesystem::path& each : files.All()) names.push_back(each.string());
  const double rate = manifest.sample_rate_hz;
  std::string text = "model " + file.string() + "\n  made of      " + manifest.model_name +
                     ", runs with " + runtime->description() + "\n  stems        " +
                     JoinNames(manifest.stems) + '\n';
  if (!files.manifest.empty()) text += "  described by " + files.manifest.string() + '\n';
  const EngineChoice engine = runtime->engine() == Engine::kTorchScript
                                  ? EngineChoice{Engine::kTorchScript, "the one that runs .ts"}
                                  : ChooseEngine(manifest.model_name, runtime->precision());
  text += std::string("  engine       ") + NameOf(engine.engine) + " (" + engine.why + ")\n";
  text += Formatted("  audio        %d Hz, %d channels, %s\n", manifest.sample_rate_hz,
                    manifest.channels, manifest.precision.c_str());
  text += Formatted("  segment      %.2f s (%lld frames)",
                    static_cast<double>(manifest.segment_frames) / rate,
                    static_cast<long long>(manifest.segment_frames));
  text += manifest.length.dynamic
              ? Formatted(", any length of %lld + k x %lld frames\n",
                          static_cast<long long>(manifest.length.offset_frames),
                          static_cast<long long>(manifest.length.multiple_frames))
              : ", fixed\n";
  if (manifest.kept_frames > 0)
    text += Formatted("  kept of it   %.2f s in its middle, the others are the audio around them\n",
                      static_cast<double>(manifest.kept_frames) / rate);
  text += Formatted("  overlap-add  %s window, overlap %g, song normalisation %s\n",
                    NameOf(manifest.window), manifest.overlap, NameOf(manifest.song_normalization));
  if (manifest.stft.is_object()) text += "  STFT         " + JsonText(manifest.stft) + '\n';
  if (manifest.training.is_object()) text += "  training     " + JsonText(manifest.training) + '\n';
  if (manifest.versions.is_object()) text += "  versions     " + JsonText(manifest.versions) + '\n';
  PrintResult(arguments.mode, text,
              {{"kind", "model"},
               {"file", file.string()},
               {"files", names},
               {"runtime", runtime->description()},
               {"engine", NameOf(engine.engine)},
               {"engine_why", engine.why},
               {"manifest", manifest.ToJson()}});
}

}  // namespace stemsmith
