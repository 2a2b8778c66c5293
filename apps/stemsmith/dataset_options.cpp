// What doctor and prepare ask alike: which songs, in which splits, by which recipe.
#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "core/config_library.h"
#include "datasets/readers/track.h"

namespace stemsmith {

void AddDatasetOptions(CLI::App& command, std::string& kind, ReaderOptions& reader,
                       std::filesystem::path& recipe) {
  std::string kinds = "Layout of the dataset:";
  for (const ReaderRow& row : ReaderTable()) {
    kinds += std::string("\n") + row.name + ": " + row.summary;
  }
  command.add_option("LAYOUT", kind, kinds)->required();
  command.add_option("ROOT", reader.root, "Folder of the dataset; for csv the file")->required();
  command
      .add_option_function<std::string>(
          "--recipe",
          [&recipe](const std::string& given) { recipe = FindConfig(given, ConfigKind::kRecipe); },
          "Which source stems make which stems: a YAML file, or the name of a recipe that "
          "`stemsmith config` lists; default: each source is a stem")
      ->type_name("RECIPE");
  AddNumber(command, "--valid-fraction", reader.valid_fraction, {0, 1},
            "Share of the training songs for validation, where the dataset has no such split")
      ->capture_default_str();
  AddNumber(command, "--seed", reader.seed, {}, "Seed for choosing validation songs")
      ->capture_default_str();
  command.add_option("--splits", reader.splits,
                     "File that says which song belongs to which split: {train: [song, …], valid: "
                     "[…], test: […]}; slakh also takes SLAKH's own split files, and `original`");
  command.add_option(
      "--metadata", reader.metadata,
      "Folder of the *_METADATA.yaml files of medleydb, where they do not lie beside the audio");
}

}  // namespace stemsmith
