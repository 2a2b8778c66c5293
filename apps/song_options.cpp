// The options of programs that separate songs.
#include <algorithm>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <utility>

#include "apps/checked_options.h"
#include "apps/separate_songs.h"
#include "audio/decode.h"
#include "core/error.h"
#include "core/file_kind.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr SampleFormat kSampleFormats[] = {SampleFormat::kInt16, SampleFormat::kInt24,
                                           SampleFormat::kFloat32};

template <typename Range, typename Name>
std::vector<std::string> Names(const Range& items, Name name) {
  std::vector<std::string> names;
  for (const auto& item : items) names.emplace_back(std::invoke(name, item));
  return names;
}

// "wav (uncompressed, RF64 above 4 GiB), flac (lossless), …"
std::string FormatsText() {
  return JoinNames(FormatTable(), ", ", [](const FormatRow& row) {
    return std::string(row.name) + " (" + row.summary + ")";
  });
}

// "Bits per sample: 16 (wav, flac), 32f (wav) …".
std::string BitsText() {
  return "Bits per sample: " +
         JoinNames(kSampleFormats, ", ",
                   [](SampleFormat format) {
                     return std::string(SampleFormatName(format)) + " (" +
                            FormatNames([&](const FormatRow& row) { return row.Holds(format); }) +
                            ")";
                   }) +
         "; default: the first that the format holds";
}

// "kbit/s of each stream, lossy formats only; default, of stereo: mp3 320, …".
std::string BitratesText() {
  std::string text;
  for (const FormatRow& row : FormatTable()) {
    if (!row.lossy()) continue;
    text += (text.empty() ? "" : ", ") + std::string(row.name) + " " +
            std::to_string(2 * row.bit_rates.per_channel / 1000);
  }
  return "kbit/s of each stream, lossy formats only; default, of stereo: " + text;
}

// "Usual files: 2stem (vocals, and no_vocals), …".
std::string PresetsText() {
  return "Usual files: " + JoinNames(StemPresetTable(), ", ", [](const StemPreset& preset) {
           return std::string(preset.name) + " (" + preset.summary + ")";
         });
}

constexpr std::pair<const char*, Clipping> kClippings[] = {
    {"none", Clipping::kNone}, {"clamp", Clipping::kClamp}, {"rescale", Clipping::kRescale}};

std::string Today() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[20];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d", &local));
}

// "3/20": the third of twenty shares.
Shard ParseShard(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == text.npos)
    throw Error::Usage("'" + text + "' is no share", "--shard", "give K/N, such as 1/20");
  Shard shard;
  shard.count = RequireNumber<std::size_t>(text.substr(slash + 1), {1, 1'000'000},
                                           "N of --shard K/N", "");
  shard.number = RequireNumber<std::size_t>(text.substr(0, slash), {1, shard.count},
                                            "K of --shard K/N", "");
  return shard;
}

// The lines of a list that are paths.
std::vector<fs::path> ReadList(const std::string& list) {
  std::ifstream file;
  if (list != "-") {
    std::error_code code;
    if (!fs::exists(list, code))
      throw Error::Usage("there is no such list", list, "give a file with one path per line");
    CheckIsFile(list);
    errno = 0;
    file.open(list);
    if (!file) throw Error::System("cannot read the list", list, "check its permissions");
  }
  std::istream& in = list == "-" ? std::cin : file;
  std::vector<fs::path> paths;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.find('\0') != line.npos)
      throw Error::Usage("this is no list", list, "give a file with one path per line");
    if (!line.empty() && line[0] != '#') paths.emplace_back(line);
  }
  return paths;
}

// Throws Error::Usage for what goes not with standard output.
void CheckStandardOutput(const SongsArguments& arguments) {
  const std::pair<const char*, bool> others[] = {
      {"json", arguments.mode == OutputMode::kJson}, {"skip-existing", arguments.skip_existing},
      {"dry-run", arguments.dry_run},                {"name", !arguments.name.empty()},
      {"clip rescale", arguments.clip == "rescale"}};
  for (const auto& [option, given] : others)
    if (given)
      throw Error::Usage("-o - does not go with this option", Option(option),
                         "leave it out, or give a folder with --out");
  if (arguments.format != "wav")
    throw Error::Usage("-o - takes wav, or samples with --raw-output",
                       Option("format", arguments.format), "give --format wav");
}

}  // namespace

const char kStemsFooter[] =
    "Stems go to DIR/TRACK/STEM.wav, at the rate, channels and length of the song; with --format "
    "stem.mp4 to DIR/TRACK.stem.mp4.\n"
    "A track is named as its file; `mixture` and `mix` as the folder they lie in. The song - is "
    "standard input.\n"
    "Exit codes: 0 all done, 1 some songs failed, 2 wrong use, 129, 130 and 143 stopped by a "
    "hang-up, Ctrl-C or SIGTERM, 141 nobody reads standard output any more.";

std::map<std::string, std::vector<std::string>> WordsOfStemOptions() {
  return {{"--format", Names(FormatTable(), &FormatRow::name)},
          {"--preset", Names(StemPresetTable(), &StemPreset::name)},
          {"--device", {"auto", "cpu", "cuda"}}};
}

void AddStemOptions(CLI::App& app, SongsArguments& arguments) {
  app.add_option("-o,--out", arguments.output,
                 "The folder for the stems; - for standard output, of one song and one stem")
      ->check(IsNotEmpty)
      ->capture_default_str()
      ->type_name("DIR");
  app.add_option("--name", arguments.name,
                 "How files are called below DIR: {track}/{stem}.{ext} (default; stem.mp4: "
                 "{track}.{ext}); also {model}, {parent} (the song's folder), {date}")
      ->check(IsNotEmpty)
      ->type_name("TEMPLATE");
  AddNames(app, "--stems", arguments.files.stems, "Only these stems: drums,vocals (default: all)")
      ->allow_extra_args(false);  // the words behind it are the model and the songs
  app.add_option("--mix", arguments.files.mixes,
                 "A file of several stems: karaoke=drums+bass+other, or of the song without some: "
                 "instrumental=mixture-vocals; may be given several times")
      ->allow_extra_args(false)
      ->type_name("NAME=STEM+STEM…");
  app.add_option("--two-stems", arguments.files.two_stems,
                 "This stem, and a file no_STEM of all others")
      ->check(IsNotEmpty)
      ->type_name("STEM");
  app.add_option("--preset", arguments.files.preset, PresetsText())
      ->check(IsNotEmpty)
      ->type_name("PRESET");
  app.add_flag("--mixture-consistent", arguments.mixture_consistent,
               "Make all stems add up to the song: what they lack is shared among them");
  app.add_option("--format", arguments.format, FormatsText())
      ->check([](const std::string& name) {
        FindFormat(name);  // throws what is wrong
        return std::string();
      })
      ->capture_default_str()
      ->type_name("FORMAT");
  AddWord(app, "--bits", arguments.bits, Names(kSampleFormats, SampleFormatName), BitsText());
  AddWord(app, "--clip", arguments.clip,
          Names(kClippings, [](const auto& row) { return row.first; }),
          "Samples above full scale: clamp cuts them off (default of 16 and 24 bits), rescale "
          "makes all files of a song quieter alike, none leaves them (default else)");
  AddNumber(app, "--bitrate", arguments.bitrate_kbps, {1, 1000}, BitratesText());
  app.add_flag("--no-tags", arguments.no_tags,
               "Leave out the song's title, artist and so on, and its cover");
  app.add_flag("--raw-output", arguments.raw_output,
               "With -o -: samples without a header, interleaved, little-endian");
}

void AddDecodeOptions(CLI::App& app, SongsArguments& arguments) {
  app.add_option("--files-from", arguments.lists,
                 "Songs and folders from a file, one path on each line; - for standard input; may "
                 "be given several times")
      ->allow_extra_args(false)
      ->check(IsNotEmpty)
      ->type_name("FILE");
  app.add_option_function<std::string>(
         "--shard", [&arguments](const std::string& text) { arguments.shard = ParseShard(text); },
         "Only the songs K, K + N, K + 2 N … of all, counted from 1")
      ->type_name("K/N");
  AddNumber(app, "--jobs", arguments.jobs, {1, 64},
            "Songs at once, which share the threads; each takes the memory of a model")
      ->capture_default_str();
  AddNumber(app, "--max-memory", arguments.max_memory_gib, {0.001, 100'000},
            "GiB of memory that it may take: fewer --jobs where they would take more; more than "
            "that for one song is an error (default: any)");
  app.add_option_function<std::string>(
         "--raw-input",
         [&arguments](const std::string& text) {
           arguments.raw_input = ParseRawFormat(text, "--raw-input");
         },
         "The song - has no header: samples of 32f, or of these bits (16, 24), interleaved, "
         "little-endian")
      ->type_name("RATE,CHANNELS[,BITS]");
  app.add_flag("--skip-existing", arguments.skip_existing,
               "Leave out songs whose files are all there");
  app.add_flag("--dry-run", arguments.dry_run,
               "Say which songs would be separated, and into which files, and do nothing");
  app.add_option(
         "--audio-stream", arguments.audio_stream,
         "Of files with several audio streams, this one: its number from 0, or its language "
         "(eng); default: the one that the file marks as default")
      ->type_name("N|LANG");
  AddWord(app, "--on-damage", arguments.on_damage, {"fail", "conceal"},
          "Where audio inside a file is damaged: fail leaves the song out, conceal continues "
          "with silence of the lost length and says where")
      ->capture_default_str();
}

SeparatorOptions SeparatorOptionsOf(const CLI::App& app, const SongsArguments& arguments) {
  SeparatorOptions options;
  options.files = arguments.files;
  options.mixture_consistent = arguments.mixture_consistent;
  for (const auto& [name, clipping] : kClippings)
    if (arguments.clip == name) options.clipping = clipping;
  if (arguments.to_output()) CheckStandardOutput(arguments);
  if (arguments.raw_output && !arguments.to_output())
    throw Error::Usage("samples without a header are for standard output", Option("raw-output"),
                       "give -o -, or leave it out");
  if (!arguments.to_output()) options.growing_in = arguments.output;
  options.tags = !arguments.no_tags;
  if (app.count("--audio-stream") > 0)
    ChooseStream(arguments.audio_stream, Option("audio-stream"), options.decode);
  if (arguments.on_damage == "conceal") options.decode.on_damage = OnDamage::kConceal;
  options.encoding.format = arguments.format;
  if (!arguments.bits.empty())
    options.encoding.sample_format = SampleFormatNamed(arguments.bits, "--bits");
  if (arguments.bitrate_kbps) options.encoding.bit_rate = 1000 * *arguments.bitrate_kbps;
  CheckEncodeOptions(options.encoding);
  return options;
}

InputSongs SongsOf(std::vector<fs::path> inputs, const SongsArguments& arguments,
                   const std::string& model) {
  const bool lists_input = std::count(arguments.lists.begin(), arguments.lists.end(), "-") > 0;
  const bool reads_input = std::erase(inputs, "-") > 0;
  if (reads_input && lists_input)
    throw Error::Usage("standard input is a list and a song", "-", "give one of them as a file");
  for (const std::string& list : arguments.lists)
    for (fs::path& path : ReadList(list)) inputs.push_back(std::move(path));
  if (arguments.raw_input && !reads_input)
    throw Error::Usage("samples without a header are for standard input", Option("raw-input"),
                       "give - as the song, or leave it out");
  if (inputs.empty() && !reads_input)
    throw Error::Usage("there are no songs to separate",
                       arguments.lists.empty() ? "" : JoinNames(arguments.lists),
                       arguments.lists.empty() ? "give songs, or folders with songs" : "");
  const FileNames names(arguments.name, FindFormat(arguments.format), {model, Today()});
  std::vector<InputSong> more;
  if (reads_input)
    more.push_back({KeepStandardInput(arguments.raw_input), "stdin", "stdin", "standard input"});
  InputSongs list = CollectSongs(inputs, arguments.output, names, more);
  const Shard& shard = arguments.shard;
  std::vector<InputSong> share;
  for (std::size_t i = shard.number - 1; i < list.songs.size(); i += shard.count)
    share.push_back(std::move(list.songs[i]));
  list.songs = std::move(share);
  if (shard.number > 1) list.problems.clear(), list.notes.clear();  // the first one tells them
  return list;
}

}  // namespace stemsmith
