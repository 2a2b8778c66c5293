#include "apps/separate/model_choice.h"

#include <algorithm>
#include <optional>

#include "apps/separate/download_model.h"
#include "apps/terminal.h"
#include "catalogue/catalogue.h"
#include "catalogue/model_store.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/names.h"
#include "separate/inputs.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// Of a file that is damaged or not there: Runtime::Open says so.
bool IsCalledModel(const std::string& word) {
  const std::string ending = fs::path(word).extension().string();
  return ending == ".onnx" || ending == ".ts";
}

// Could be meant as a name: no path, no ending.
bool LooksLikeName(const std::string& word) {
  return word.find('/') == std::string::npos && word.find('.') == std::string::npos;
}

// Names known here: registered and published ones.
class Names {
 public:
  bool Knows(const std::string& word) const {
    std::error_code code;
    return Stored(word) != nullptr || !DamageOfStoredModel(word).empty() ||
           FindInCatalogue(ShippedCatalogue(), word) != nullptr ||
           (LooksLikeName(word) && !fs::exists(word, code) &&
            FindInCatalogue(Own(), word) != nullptr);
  }
  std::vector<std::string> All() const {
    std::vector<std::string> all;
    for (const StoredModel& model : stored_) all.push_back(model.name);
    for (const Catalogue* catalogue : {&Own(), &ShippedCatalogue()})
      for (const CatalogueRow& row : *catalogue)
        if (row.unsupported.empty() && std::find(all.begin(), all.end(), row.name) == all.end())
          all.push_back(row.name);
    return all;
  }
  const std::vector<StoredModel>& stored() const { return stored_; }
  // Null where no model of that name is registered or downloaded.
  const StoredModel* Stored(const std::string& word) const {
    const auto found = std::find_if(stored_.begin(), stored_.end(),
                                    [&](const StoredModel& model) { return model.name == word; });
    return found == stored_.end() ? nullptr : &*found;
  }
  // The user's own catalogue, read by another program when it is needed first.
  const Catalogue& Own() const {
    if (!own_) own_ = ReadOwnCatalogue();
    return *own_;
  }

 private:
  std::vector<StoredModel> stored_ = StoredModels();
  mutable std::optional<Catalogue> own_;
};

[[noreturn]] void RefuseDamaged(const std::string& name, const std::string& damage,
                                const Names& names) {
  const bool is_published = FindInCatalogue(ShippedCatalogue(), name) != nullptr ||
                            FindInCatalogue(names.Own(), name) != nullptr;
  throw Error::Input("the model '" + name + "' is damaged (" + damage + ")",
                     (ModelsFolder() / name).string(),
                     is_published ? "bring it again: stemsmith download " + name + " --again"
                                  : "register it again: stemsmith register FILE --name " + name);
}

// `word` is to be downloaded.
ChosenModel Missing(const std::string& word, const Names& names) {
  const CatalogueRow* own = FindInCatalogue(names.Own(), word);
  const CatalogueRow& row = own != nullptr ? *own : *FindInCatalogue(ShippedCatalogue(), word);
  if (!row.unsupported.empty())
    throw Error::Usage("stemsmith cannot use '" + word + "': " + row.unsupported, word,
                       row.instead.empty() ? "" : "take '" + row.instead + "'");
  if (own == nullptr && !OwnCatalogueFile().empty())
    throw Error::Input("the model '" + word + "' is not installed and not in your catalogue",
                       OwnCatalogueFile(),
                       "download it from the shipped one: env -u STEMSMITH_CATALOGUE stemsmith "
                       "download " +
                           word);
  return {.file = {}, .missing = word};
}

ChosenModel FindModel(const std::string& word, bool given_as_model, const Names& names) {
  std::error_code code;
  const bool is_path = fs::exists(word, code);
  if (!names.Knows(word)) {
    if (!is_path && LooksLikeName(word))
      throw Error::Usage("there is no model called '" + word + "', and no such file", "",
                         DidYouMean(word, names.All(), "known: " + JoinNames(names.All())) +
                             " (stemsmith models --catalogue says more)");
    CheckContent(word, FileUse::kSeparateModel);
    return {.file = word, .missing = {}};
  }
  if (is_path && !given_as_model)
    throw Error::Usage("'" + word + "' is the name of a model and of a file or folder", word,
                       "write --model " + word + " for the model, ./" + word + " for the file");
  if (const StoredModel* stored = names.Stored(word)) return {.file = stored->file, .missing = {}};
  if (const std::string damage = DamageOfStoredModel(word); !damage.empty())
    RefuseDamaged(word, damage, names);
  return Missing(word, names);
}

// The places of the words that are meant as models: none or one.
std::vector<std::size_t> ModelsAmong(const std::vector<std::string>& words, const Names& names) {
  std::vector<std::size_t> models, folders;
  std::error_code code;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool is_name = names.Knows(words[i]);
    // Behind a model, a file is to be separated, whatever it is.
    if (!models.empty() && models[0] == 0 && !(is_name && !fs::exists(words[i], code))) continue;
    const FileContent content = ContentOf(words[i]);
    if (is_name || IsCalledModel(words[i]) || content == FileContent::kOnnx ||
        content == FileContent::kTorchScript) {
      models.push_back(i);
    } else if (content == FileContent::kExportFolder) {
      folders.push_back(i);
    }
  }
  if (models.empty() && !folders.empty()) models.push_back(folders[0]);
  if (models.size() > 1)
    throw Error::Usage(
        "two of the words are models: '" + words[models[0]] + "' and '" + words[models[1]] + "'",
        "", "give one, or name each with --model");
  if (!models.empty()) return models;
  // What is recognised, but neither a model nor songs, was meant as one: Runtime::Open says what it
  // is. So was the first of several words, where it is no song.
  for (std::size_t i = 0; i < words.size() && models.empty(); ++i) {
    const FileContent content = ContentOf(words[i]);
    if (content == FileContent::kSong || content == FileContent::kFolder) continue;
    const bool is_recognised = content != FileContent::kMissing && content != FileContent::kUnknown;
    const bool is_name = content == FileContent::kMissing && LooksLikeName(words[i]);
    const bool is_song = words[i] == "-" || IsPattern(words[i]);
    if (is_recognised || (i == 0 && !is_song && (words.size() > 1 || is_name)))
      models.push_back(i);
  }
  return models;
}

std::string HowToGetOne(const Names& names) {
  if (names.stored().empty())
    return std::string("download one: stemsmith download ") +
           (OwnCatalogueFile().empty() ? "htdemucs" : "NAME") +
           " (stemsmith models --catalogue lists all), or give a model.onnx";
  return "name one of yours: " + JoinNames(names.stored(), ", ", &StoredModel::name) +
         "; or set one in the settings file (separate --help)";
}

ChosenModel FindDefault(const DefaultModel& model, const Names& names) {
  try {
    ChosenModel found = FindModel(model.name, true, names);
    std::error_code code;
    if (!found.file.empty() && !fs::exists(found.file, code))
      throw Error::Usage("there is no such file", "", "correct it, or name another with --model");
    return found;
  } catch (const Error& error) {
    throw Error(error.code(), "the default model '" + model.name + "': " + error.problem(),
                model.where, error.advice());
  }
}

}  // namespace

std::vector<std::string> ModelNames() { return Names().All(); }

ModelChoice ChooseModelsAndInputs(const std::vector<std::string>& models,
                                  const DefaultModel& default_model,
                                  const std::vector<std::string>& words) {
  const Names names;
  ModelChoice choice;
  choice.inputs = words;
  if (!models.empty()) {
    for (const std::string& model : models) choice.models.push_back(FindModel(model, true, names));
  } else if (const std::vector<std::size_t> found = ModelsAmong(words, names); !found.empty()) {
    choice.inputs.erase(choice.inputs.begin() + static_cast<std::ptrdiff_t>(found[0]));
    choice.models.push_back(FindModel(words[found[0]], false, names));
  } else if (!default_model.name.empty()) {
    choice.models.push_back(FindDefault(default_model, names));
  } else if (names.stored().size() == 1) {
    choice.models.push_back({.file = names.stored().front().file, .missing = {}});
  } else {
    for (const std::string& word : words)
      if (word != "-" && !IsPattern(word)) CheckSongIsThere(word);
    StoredModels(Warn);  // of a damaged one
    throw Error::Usage("no model is named", "", HowToGetOne(names));
  }
  return choice;
}

ChosenModel ChooseModel(const std::string& word) { return FindModel(word, true, Names()); }

}  // namespace stemsmith
