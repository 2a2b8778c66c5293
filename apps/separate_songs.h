// What the programs that separate songs share: options of where stems go and in which format
// (song_options.cpp), and all songs with their progress, their lines and their errors.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/standard_streams.h"
#include "apps/terminal.h"
#include "separate/inputs.h"
#include "separate/separator.h"

namespace stemsmith {

// Of the songs 1, 2, … those that are `number` modulo `count`.
struct Shard {
  std::size_t number = 1, count = 1;
};

struct SongsArguments {
  std::string output = "stems";
  std::string name;
  std::vector<std::string> lists;
  Shard shard;
  int jobs = 1;
  std::optional<double> max_memory_gib;
  std::optional<RawFormat> raw_input;
  bool raw_output = false, no_tags = false;
  StemChoice files;
  bool mixture_consistent = false;
  bool skip_existing = false, dry_run = false;
  std::string clip;
  std::string format = "wav", bits;
  std::optional<int> bitrate_kbps;
  std::string audio_stream, on_damage = "fail";
  OutputMode mode = OutputMode::kAuto;

  bool to_output() const { return output == "-"; }  // not to files
};

// --out, --name, --stems, --mix, --two-stems, --preset, --format, --bits, --bitrate and what goes
// with them; `arguments` must outlive the parse.
void AddStemOptions(CLI::App& app, SongsArguments& arguments);
// --files-from, --shard, --jobs, --max-memory, --raw-input, --skip-existing, --dry-run,
// --audio-stream and --on-damage.
void AddDecodeOptions(CLI::App& app, SongsArguments& arguments);
// The options that they stand for. Throws Error::Usage.
SeparatorOptions SeparatorOptionsOf(const CLI::App& app, const SongsArguments& arguments);
// The share that is wanted of all songs: of `inputs` and of the lists, with "-" for standard input,
// which is read here. `model` is {model} in names. Throws Error.
InputSongs SongsOf(std::vector<std::filesystem::path> inputs, const SongsArguments& arguments,
                   const std::string& model);

// What may follow them, for completion (apps/generate.h).
std::map<std::string, std::vector<std::string>> WordsOfStemOptions();
// Where stems go and how tracks are named, for --help.
extern const char kStemsFooter[];

// Separates all songs of `list`, on as many threads as there are jobs: the first with `separator`,
// each other one with one that `another` makes there. A song that fails is reported, and the others
// still are separated. Where memory is limited, the first is separated alone, and then as many at
// once as it allows. `made_with` is named at the end; `result_fields` are in the JSON result, too;
// `sources` are files that stems may not replace, beside the songs. Gives the exit status; throws
// Error where nothing can be begun, when a signal stops it, and where it takes too much memory.
int SeparateSongs(Separator& separator,
                  const std::function<std::shared_ptr<Separator>()>& another,
                  const InputSongs& list, std::vector<std::filesystem::path> sources,
                  const std::string& made_with, const SongsArguments& arguments,
                  const nlohmann::json& result_fields = nlohmann::json::object());

}  // namespace stemsmith
