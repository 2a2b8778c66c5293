// stemsmith synth: a folder of composed and rendered demo songs.
#include <chrono>
#include <memory>
#include <string>

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "core/interrupt.h"
#include "core/text.h"
#include "synth/layouts.h"
#include "synth/synth.h"

namespace stemsmith {
namespace {

struct Arguments {
  synth::SynthOptions options;
  OutputMode mode = OutputMode::kAuto;
};

void RunSynth(const Arguments& arguments) {
  synth::SynthOptions options = arguments.options;
  options.host = TerminalHost(arguments.mode);
  CatchInterrupts();
  const auto start = std::chrono::steady_clock::now();
  const synth::SynthResult result = synth::MakeSongs(options);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const bool stopped = result.signal != 0;
  std::string text = (stopped ? "stopped after " : "made ") + std::to_string(result.rendered) +
                     " songs of " + FormatDuration(options.seconds) + " in " +
                     FormatDuration(seconds) + ": " + options.out.string();
  if (result.kept > 0) text += " (" + std::to_string(result.kept) + " were there)";
  if (stopped) text += "; the same command continues";
  PrintResult(arguments.mode, text,
              {{"out", options.out.string()},
               {"rendered", result.rendered},
               {"kept", result.kept},
               {"interrupted", stopped},
               {"seconds", seconds}});
  if (stopped) throw CLI::RuntimeError(128 + result.signal);
}

}  // namespace

void AddSynthCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  synth::SynthOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand("synth", "Compose and render demo songs with their stems");
  std::string layouts;
  for (const auto& row : synth::LayoutTable())
    layouts += std::string(layouts.empty() ? "" : "; ") + row.name + ": " + row.summary;
  command->add_option("out", options.out, "Folder to write")->required()->type_name("OUT");
  AddNumber(*command, "--songs", options.songs, {}, "How many songs")->capture_default_str();
  AddNumber(*command, "--seconds", options.seconds, {}, "Length of each song")
      ->capture_default_str();
  AddNumber(*command, "--seed", options.seed, {}, "Another seed, other songs")
      ->capture_default_str();
  command->add_option("--layout", options.layout, layouts)->capture_default_str();
  command->add_option("--soundfont", options.sound_font,
                      "General MIDI .sf2 file (default: STEMSMITH_SOUNDFONT, else TimGM6mb)");
  auto* valid =
      AddNumber(*command, "--valid-songs", options.valid_songs, {.low = 0},
                "Songs for validation (default: 15 in 100); given together with --test-songs");
  auto* test = AddNumber(*command, "--test-songs", options.test_songs, {.low = 0},
                         "Songs for testing (default: 15 in 100)");
  valid->needs(test);
  test->needs(valid);
  AddNumber(*command, "--threads", options.threads, {}, "0: all cores; changes no sample")
      ->capture_default_str();
  command->add_flag("--force", options.force, "Replace songs made with other settings");
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] { RunSynth(*arguments); });
}

}  // namespace stemsmith
