// stemsmith prepare: folders of audio → the cache.

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/work.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/length_text.h"
#include "core/text.h"
#include "datasets/prepare/prepare.h"

namespace stemsmith {
namespace {

struct Arguments {
  PrepareOptions options;
  std::string format = "auto";
  std::string shard = "1/1";
  std::string on_damage = "fail";
  std::vector<std::string> spectrogram;  // n_fft, hop
  OutputMode mode = OutputMode::kAuto;
};

constexpr CacheFormat kFormats[] = {CacheFormat::kAuto, CacheFormat::kInt16, CacheFormat::kFloat16,
                                    CacheFormat::kFloat32};

std::string Summary(const PrepareOptions& options, const PrepareResult& result) {
  std::string summary = options.out.string();
  if (!options.shard.all()) summary += ", shard " + options.shard.Text();
  summary += Formatted(": %zu songs, %s, %s (%zu prepared, %zu kept, %zu removed)",
                       result.made + result.kept, LengthText(3600 * result.hours).c_str(),
                       FormatBytes(result.bytes).c_str(), result.made, result.kept, result.removed);
  if (result.shorter > 0)
    summary += Formatted("\n%zu songs are shorter than %g s and kept whole", result.shorter,
                         options.trim.excerpt_seconds);
  if (!options.shard.all())
    summary +=
        "\nwhen all shards are finished, run the command without --shard: it writes the index";
  return summary;
}

bool IsFinished(const PrepareOptions& options, const PrepareResult& result) {
  return result.wrote_index || (!options.shard.all() && result.interrupted == 0);
}

int SizeOf(const std::string& text) {
  return RequireNumber<int>(text, {1, SpectrogramFormat::kLargestFft}, "--spectrogram", "",
                            "for example --spectrogram 4096,1024");
}

int Run(Arguments& arguments) {
  PrepareOptions& options = arguments.options;
  for (const CacheFormat format : kFormats)
    if (arguments.format == CacheFormatName(format)) options.format = format;
  options.shard = PrepareShard::Parse(arguments.shard);
  if (arguments.on_damage == "conceal") options.on_damage = OnDamage::kConceal;
  if (!arguments.spectrogram.empty())
    options.spectrogram = {SizeOf(arguments.spectrogram[0]), SizeOf(arguments.spectrogram[1])};
  if (options.trim.min_silence_seconds != TrimOptions{}.min_silence_seconds &&
      !options.trim.silence_db) {
    throw Error::Usage("--min-silence does nothing without --trim-silence", "",
                       "give --trim-silence DB, such as --trim-silence=-60");
  }
  CatchInterrupts();
  const PrepareResult result = RunPrepare(options, {arguments.mode});
  if (result.interrupted != 0) return 128 + result.interrupted;
  RequireAllSongs(options, result);
  return 0;
}

}  // namespace

PrepareResult RunPrepare(PrepareOptions options, const WorkOutput& output) {
  options.host = TerminalHost(output.mode);
  PrepareResult result = PrepareCache(options);
  const bool finished = IsFinished(options, result);
  nlohmann::json failed = nlohmann::json::array();
  for (const SongFailure& failure : result.failures) {
    failed.push_back({{"song", failure.song},
                      {"what", failure.error.problem()},
                      {"where", failure.error.where()},
                      {"advice", failure.error.advice()}});
  }
  const nlohmann::json fields = {{"cache", options.out.string()},
                                 {"prepared", result.made},
                                 {"kept", result.kept},
                                 {"removed", result.removed},
                                 {"failed", failed},
                                 {"notes", result.notes},
                                 {"hours", result.hours},
                                 {"bytes", result.bytes},
                                 {"shorter_than_excerpt", result.shorter},
                                 {"shard", options.shard.Text()},
                                 {"index_written", result.wrote_index},
                                 {"complete", finished && failed.empty()}};
  if (result.interrupted != 0) {
    PrintResult(output.mode,
                "stopped: " + std::to_string(result.made) +
                    " songs were prepared and are kept; run the command again to continue",
                fields);
    return result;
  }
  PrintResult(output.mode, finished ? Summary(options, result) : "", fields);
  if (finished && output.alone && result.failures.empty() && options.shard.all()) {
    PrintNext(
        output.mode,
        {"stemsmith", "train", options.spectrogram ? "unet_spectrogram" : "demo_unet", "--run",
         "runs/" + options.out.stem().string(), "--set", "dataset.cache=" + options.out.string()});
  }
  return result;
}

void RequireAllSongs(const PrepareOptions& options, const PrepareResult& result) {
  if (result.failures.empty()) return;
  const std::string count = std::to_string(result.failures.size()) + " of " +
                            std::to_string(result.failures.size() + result.made + result.kept) +
                            " songs could not be used";
  throw Error::Input(count, options.reader.root.string(),
                     IsFinished(options, result)
                         ? "the cache holds the others; fix these and run the command again"
                         : "no cache was written");
}

void AddPrepareCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  PrepareOptions& options = arguments->options;
  CLI::App* command =
      app.add_subcommand("prepare", "Decode a dataset once into the cache that training reads");
  AddDatasetOptions(*command, options.kind, options.reader, options.recipe);
  command->add_option("--out", options.out, "The cache: an index, with a folder FILE.d beside it")
      ->required();
  AddNumber(*command, "--sample-rate", options.sample_rate_hz, {1000, 768'000},
            "Hz; sources of other rates are resampled")
      ->capture_default_str();
  AddNumber(*command, "--channels", options.channels, {1, 32},
            "Channels of each stem; default: 2, or 1 where the recipe takes one channel");
  std::vector<std::string> formats;
  for (const CacheFormat format : kFormats) formats.emplace_back(CacheFormatName(format));
  AddWord(*command, "--format", arguments->format, formats,
          "Samples: int16, float16, float32, or auto (int16 where all sources have 16 bits, "
          "else float32; float32 for spectrograms)")
      ->capture_default_str();
  AddNumber(*command, "--compression", options.compression, {0, 9},
            "0: none; 1 (fast) to 9 (small): lossless, slower to read")
      ->capture_default_str();
  command
      ->add_option("--spectrogram", arguments->spectrogram,
                   "N_FFT,HOP: store magnitudes of the mixture and the stems instead of audio, for "
                   "training spectrogram models without augmentation")
      ->delimiter(',')
      ->expected(2)
      ->type_name("INT,INT");
  AddNumber(*command, "--trim-silence", options.trim.silence_db, {-120, 0},
            "Cut out stretches in which all stems and their sum stay below this level, dB "
            "relative to full scale: --trim-silence=-60");
  AddNumber(*command, "--min-silence", options.trim.min_silence_seconds, {0.1, 30},
            "Seconds that such a stretch must last")
      ->capture_default_str();
  AddNumber(*command, "--excerpt", options.trim.excerpt_seconds, {0.1, 1e6},
            "Keep this many seconds from the middle of each song; shorter songs whole");
  AddWord(*command, "--on-damage", arguments->on_damage, {"fail", "conceal"},
          "Where audio inside a file is damaged: fail leaves the song out, conceal continues "
          "with silence of the lost length and says where")
      ->capture_default_str();
  command
      ->add_option("--shard", arguments->shard,
                   "K/N: prepare the K-th of N shares of the songs, beside the other shards; "
                   "a last run without --shard writes the index")
      ->capture_default_str();
  AddNumber(*command, "--threads", options.threads, {0, 1024},
            "Songs decoded side by side; 0: one per core")
      ->capture_default_str();
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] {
    if (const int status = Run(*arguments); status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace stemsmith
