// stemsmith register: a model of one's own by a name.
#include <memory>

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/store_model.h"
#include "catalogue/local_copies.h"
#include "catalogue/model_store.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/interrupt.h"
#include "core/text.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct RegisterArguments {
  fs::path source, manifest;
  std::string name, licence;
  bool replace = false;
  OutputMode mode = OutputMode::kAuto;
};

bool IsExported(const fs::path& source) {
  const std::string ending = ResolveModel(source).extension().string();
  return ending == ".onnx" || ending == ".ts";
}

// Names that differ in the case of letters alone are one name to many people and file systems.
void CheckNameIsFree(const std::string& name) {
  std::vector<std::string> taken;
  for (const StoredModel& model : StoredModels()) taken.push_back(model.name);
  for (const CatalogueRow& row : ShippedCatalogue()) {
    if (row.name == name)
      throw Error::Usage("'" + name + "' is the name of a published model", "--name",
                         "choose another one");
    taken.push_back(row.name);
  }
  for (const std::string& other : taken)
    if (other != name && LowerCase(other) == LowerCase(name))
      throw Error::Usage(
          "'" + name + "' differs from the model '" + other + "' in capital letters alone",
          "--name", "choose another one");
}

void RunRegister(const RegisterArguments& arguments) {
  CatchInterrupts();
  WarnOfRelativeFolders({"XDG_DATA_HOME"}, Warn);
  const Host host = TerminalHost(arguments.mode);
  CheckModelName(arguments.name, "--name");
  CheckNameIsFree(arguments.name);
  ModelWork work(arguments.name);
  if (const auto stored = FindStoredModel(arguments.name); stored && !arguments.replace)
    throw Error::Usage("there is a model called '" + arguments.name + "'", stored->file.string(),
                       "choose another name, or pass --replace");
  const json entry = {{"name", arguments.name},
                      {"summary", "registered from " + fs::absolute(arguments.source).string()},
                      {"origin", "registered"},
                      {"licence", arguments.licence}};
  json stored;
  if (IsExported(arguments.source)) {
    stored = StoreModelFile(arguments.name, arguments.source, arguments.manifest, entry, host);
  } else {
    if (!arguments.manifest.empty())
      throw Error::Usage("a manifest describes a model of another program, and this is one of ours",
                         arguments.source.string(), "leave --manifest out");
    CheckContent(arguments.source, FileUse::kStartWeights);
    const fs::path checkpoint = ResolveCheckpoint(arguments.source);
    stored = StoreCheckpoint(arguments.name, LoadCheckpoint(checkpoint, host.warn),
                             checkpoint.string(), entry, false, host);
  }
  work.Done();
  const fs::path model = FindStoredModel(arguments.name)->file;
  PrintResult(arguments.mode,
              model.string() + ": " + JoinNames(stored["stems"].get<std::vector<std::string>>()) +
                  "\nseparate " + arguments.name + " SONG",
              {{"name", arguments.name}, {"model", model.string()}, {"entry", stored}});
}

}  // namespace

void AddRegisterCommand(CLI::App& app) {
  auto arguments = std::make_shared<RegisterArguments>();
  CLI::App* command =
      app.add_subcommand("register", "Give a model of your own a name, for `separate NAME`");
  command
      ->add_option("source", arguments->source,
                   "An exported model, the folder of one, a run, or a checkpoint")
      ->required()
      ->check(IsNotEmpty)
      ->type_name("FILE|RUN");
  command->add_option("--name", arguments->name, "Letters, digits, hyphens and underscores")
      ->required();
  command
      ->add_option("--manifest", arguments->manifest,
                   "Describes an ONNX model of another program (default: NAME.json beside it)")
      ->check(IsNotEmpty)
      ->type_name("FILE");
  command->add_option("--licence", arguments->licence, "What is said of its licence");
  command->add_flag("--replace", arguments->replace, "Replace the model that has this name");
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] { RunRegister(*arguments); });
}

}  // namespace stemsmith
