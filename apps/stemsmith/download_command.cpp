// stemsmith download: a published model by its name.
#include <memory>
#include <utility>

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/store_model.h"
#include "catalogue/download.h"
#include "catalogue/local_copies.h"
#include "catalogue/model_store.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/names.h"
#include "core/text.h"
#include "core/utc_text.h"
#include "models/weights/import.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct DownloadArguments {
  std::string name;
  fs::path catalogue;
  bool keep = false, again = false;
  DownloadOptions options;
  OutputMode mode = OutputMode::kAuto;
};

const CatalogueRow& RowOf(const Catalogue& catalogue, const std::string& name) {
  const CatalogueRow& row = FindRow(catalogue, name, "model", "see stemsmith models --catalogue");
  if (!row.unsupported.empty())
    throw Error::Usage(
        "stemsmith cannot use '" + name + "': " + row.unsupported, "",
        row.instead.empty() ? "" : "take '" + row.instead + "': stemsmith download " + row.instead);
  return row;
}

std::string Licence(const CatalogueRow& row) {
  return row.licence + (row.licence_source.empty() ? "" : " (" + row.licence_source + ")");
}

// Imports what was downloaded. Files that no checksum vouches for go where they are no model: a
// page of the server that says what went wrong would be used again for good.
ImportedModel Import(const CatalogueSource& source, const fs::path& folder,
                     const std::vector<DownloadedFile>& files) {
  try {
    return ImportWeights(source.import.empty() ? folder : folder / source.import, {});
  } catch (const Error& error) {
    std::string removed;
    std::error_code code;
    for (const DownloadedFile& file : files) {
      if (file.was_checked || !fs::remove(folder / file.name, code)) continue;
      removed += (removed.empty() ? "" : ", ") + file.name + " from " + file.from;
    }
    if (removed.empty()) throw;
    throw Error::Input("what was downloaded cannot be imported: " + error.problem(), removed,
                       "it was removed; look at what the address gives, and bring the right file");
  }
}

json EntryOf(const CatalogueRow& row, const std::vector<DownloadedFile>& files) {
  json list = json::array();
  for (const DownloadedFile& file : files)
    list.push_back({{"name", file.name},
                    {"sha256", file.sha256},
                    {"from", file.from},
                    {"checked", file.was_checked}});
  return {{"name", row.name},
          {"summary", row.summary},
          {"origin", "catalogue"},
          {"licence", row.licence},
          {"licence_source", row.licence_source},
          {"files", list},
          {"downloaded", UtcText("%Y-%m-%d")}};
}

void RunDownload(const DownloadArguments& arguments) {
  CatchInterrupts();
  WarnOfRelativeFolders({"XDG_DATA_HOME", "XDG_CACHE_HOME"}, Warn);
  const Catalogue catalogue = ChooseCatalogue(arguments.catalogue);
  const CatalogueRow& row = RowOf(catalogue, arguments.name);
  const std::string next = "separate " + row.name + " SONG";
  ModelWork work(row.name);
  if (const auto stored = FindStoredModel(row.name); stored && !arguments.again) {
    PrintResult(arguments.mode,
                row.name + " is there already: " + stored->file.string() +
                    " (--again brings it again)\n" + next,
                {{"name", row.name}, {"model", stored->file.string()}, {"new", false}});
    return work.Done();
  }
  if (arguments.mode == OutputMode::kAuto)
    PrintResult(arguments.mode, row.name + ": " + row.summary + "\nlicence: " + Licence(row), {});
  DownloadOptions options = arguments.options;
  options.host = TerminalHost(arguments.mode);
  const auto [source, files] = DownloadModel(row.sources, work.folder(), options);
  for (const DownloadedFile& file : files)
    if (!file.was_checked)
      options.host.Warn("no checksum is published for " + file.name + ": it has SHA-256 " +
                        file.sha256);
  StopIfInterrupted("stopped before the import", "run this again to continue");
  ImportedModel imported = Import(*source, work.folder(), files);
  StopIfInterrupted("stopped before the export", "run this again to continue");
  const json entry =
      StoreCheckpoint(row.name, std::move(imported.checkpoint), work.folder().string(),
                      EntryOf(row, files), arguments.keep, options.host);
  work.Done();
  const fs::path model = FindStoredModel(row.name)->file;
  PrintResult(arguments.mode,
              model.string() + ": " + JoinNames(row.stems) + "\nlargest error of the export " +
                  Formatted("%.1e", entry["largest_error"].get<double>()) + " of the peak\n" + next,
              {{"name", row.name}, {"model", model.string()}, {"new", true}, {"entry", entry}});
}

}  // namespace

void AddDownloadCommand(CLI::App& app) {
  auto arguments = std::make_shared<DownloadArguments>();
  CLI::App* command =
      app.add_subcommand("download", "Download a published model by its name, for `separate NAME`");
  command->add_option("name", arguments->name, "A name of `stemsmith models --catalogue`")
      ->required()
      ->type_name("NAME");
  command
      ->add_option("--catalogue", arguments->catalogue,
                   "A catalogue of your own (YAML) instead of the shipped one; so does the "
                   "environment variable STEMSMITH_CATALOGUE")
      ->check(IsNotEmpty);
  command->add_flag("--keep-checkpoint", arguments->keep,
                    "Keep checkpoint.safetensors beside the model, to train on from it");
  command->add_flag("--again", arguments->again, "Replace the model where it is there already");
  command->add_flag("!--no-local-copies", arguments->options.other_programs,
                    "Do not use the files that Python's demucs and openunmix have downloaded");
  AddNumber(*command, "--stall-seconds", arguments->options.stall_s, {1, 3600},
            "Give a connection up that sends nothing for this long, and try again")
      ->capture_default_str();
  AddNumber(*command, "--attempts", arguments->options.attempts, {1, 100},
            "Tries in a row that may bring nothing, at each address")
      ->capture_default_str();
  AddNumber(*command, "--pause-seconds", arguments->options.pause_s, {0, 600},
            "Pause before another try; doubled with each")
      ->capture_default_str();
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] { RunDownload(*arguments); });
}

}  // namespace stemsmith
