// What the programs that separate songs share: options of where stems go and in which format, and
// one song after another with its progress, its line and its errors.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/terminal.h"
#include "separate/inputs.h"
#include "separate/separator.h"

namespace stemsmith {

struct SongsArguments {
  std::string output = "stems";
  StemChoice files;
  bool mixture_consistent = false;
  bool skip_existing = false, dry_run = false;
  std::string clip;
  std::string format = "wav", bits;
  std::optional<int> bitrate_kbps;
  std::string audio_stream, on_damage = "fail";
  OutputMode mode = OutputMode::kAuto;
};

// --out, --stems, --mix, --two-stems, --preset, --format, --bits and --bitrate; `arguments` must
// outlive the parse.
void AddStemOptions(CLI::App& app, SongsArguments& arguments);
// --skip-existing, --dry-run, --audio-stream and --on-damage.
void AddDecodeOptions(CLI::App& app, SongsArguments& arguments);
// The options that they stand for. Throws Error::Usage.
SeparatorOptions SeparatorOptionsOf(const CLI::App& app, const SongsArguments& arguments);

// Where stems go and how tracks are named, for --help.
extern const char kStemsFooter[];

// Separates all songs of `list`; a song that fails is reported, and the others still are separated.
// `made_with` is named at the end; `result_fields` are in the JSON result, too; `sources` are
// files that stems may not replace, beside the songs. Gives the exit status; throws Error where
// nothing can be begun, and when a signal stops it.
int SeparateSongs(Separator& separator, const InputSongs& list,
                  std::vector<std::filesystem::path> sources, const std::string& made_with,
                  const SongsArguments& arguments,
                  const nlohmann::json& result_fields = nlohmann::json::object());

}  // namespace stemsmith
