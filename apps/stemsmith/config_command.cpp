// stemsmith config: the configurations that come with stemsmith, by name, as text to edit.
#include <memory>
#include <string>

#include "apps/checked_options.h"
#include "apps/output.h"
#include "apps/stemsmith/commands.h"
#include "core/config_library.h"
#include "core/text.h"

namespace stemsmith {
namespace {

struct Arguments {
  std::string name;
  OutputMode mode = OutputMode::kAuto;
};

void List(const Arguments& arguments) {
  std::string text;
  nlohmann::json list = nlohmann::json::array();
  for (const ShippedConfig& config : ShippedConfigs()) {
    text += Formatted("%-34s %s\n", config.name.c_str(), config.summary.c_str());
    list.push_back({{"name", config.name}, {"summary", config.summary}});
  }
  text +=
      "train with one: stemsmith train NAME --run DIR; edit one: stemsmith config NAME > my.yaml; "
      "recipes: --recipe NAME; the others are for `extends: NAME.yaml`";
  PrintResult(arguments.mode, text, {{"configurations", list}});
}

void Run(const Arguments& arguments) {
  if (arguments.name.empty()) return List(arguments);
  // Recipes do not need their folder's name.
  std::string name = arguments.name;
  for (const ShippedConfig& config : ShippedConfigs())
    if (config.name == "recipes/" + name) name = config.name;
  const std::filesystem::path file = FindConfig(name);
  const std::string text = ConfigToEdit(file);
  if (!text.empty() && text.back() == '\n')
    PrintResult(arguments.mode, text.substr(0, text.size() - 1),
                {{"file", file.string()}, {"text", text}});
}

}  // namespace

void AddConfigCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "config", "List the configurations and recipes that are shipped, or print one to edit");
  command
      ->add_option("NAME", arguments->name,
                   "The one to print, with all that it extends; default: list them")
      ->check(IsNotEmpty);
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] { Run(*arguments); });
}

}  // namespace stemsmith
