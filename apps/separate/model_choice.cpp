#include "apps/separate/model_choice.h"

#include <algorithm>

#include "apps/terminal.h"
#include "catalogue/catalogue.h"
#include "catalogue/model_store.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/names.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// Of a file that is damaged or not there: Runtime::Open says so.
bool IsCalledModel(const std::string& word) {
  const std::string ending = fs::path(word).extension().string();
  return ending == ".onnx" || ending == ".ts";
}

// Names known here: registered and published ones.
class Names {
 public:
  bool Knows(const std::string& word) const {
    return Stored(word) != nullptr || FindInCatalogue(ShippedCatalogue(), word) != nullptr;
  }
  std::vector<std::string> All() const {
    std::vector<std::string> all;
    for (const StoredModel& model : stored_) all.push_back(model.name);
    for (const CatalogueRow& row : ShippedCatalogue())
      if (row.unsupported.empty() && Stored(row.name) == nullptr) all.push_back(row.name);
    return all;
  }
  const std::vector<StoredModel>& stored() const { return stored_; }
  // Null where no model of that name is registered or downloaded.
  const StoredModel* Stored(const std::string& word) const {
    const auto found = std::find_if(stored_.begin(), stored_.end(),
                                    [&](const StoredModel& model) { return model.name == word; });
    return found == stored_.end() ? nullptr : &*found;
  }

 private:
  std::vector<StoredModel> stored_ = StoredModels(Warn);
};

// Could be meant as a name: no path, no ending.
bool LooksLikeName(const std::string& word) {
  return word.find('/') == std::string::npos && word.find('.') == std::string::npos;
}

void FillModel(const std::string& word, bool given_as_model, const Names& names,
               ModelChoice& choice) {
  std::error_code code;
  const bool is_path = fs::exists(word, code);
  if (!names.Knows(word)) {
    if (!is_path && LooksLikeName(word))
      throw Error::Usage("there is no model called '" + word + "', and no such file", word,
                         DidYouMean(word, names.All(), "known: " + JoinNames(names.All())) +
                             " (stemsmith models --catalogue says more)");
    CheckContent(word, FileUse::kSeparateModel);
    choice.file = word;
    return;
  }
  if (is_path && !given_as_model)
    throw Error::Usage("'" + word + "' is the name of a model and of a file or folder", word,
                       "write --model " + word + " for the model, ./" + word + " for the file");
  if (const StoredModel* stored = names.Stored(word)) {
    choice.file = stored->file;
    return;
  }
  const CatalogueRow& row = *FindInCatalogue(ShippedCatalogue(), word);
  if (!row.unsupported.empty())
    throw Error::Usage("stemsmith cannot use '" + word + "': " + row.unsupported, word,
                       row.instead.empty() ? "" : "take '" + row.instead + "'");
  choice.missing = word;
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
        "", "give one, or name it with --model");
  if (!models.empty()) return models;
  // What is recognised, but neither a model nor songs, was meant as one: Runtime::Open says what it
  // is. So was the first of several words, where it is no song.
  for (std::size_t i = 0; i < words.size() && models.empty(); ++i) {
    const FileContent content = ContentOf(words[i]);
    if (content == FileContent::kSong || content == FileContent::kFolder) continue;
    const bool is_recognised = content != FileContent::kMissing && content != FileContent::kUnknown;
    const bool is_name = content == FileContent::kMissing && LooksLikeName(words[i]);
    if (is_recognised || (i == 0 && (words.size() > 1 || is_name))) models.push_back(i);
  }
  return models;
}

std::string HowToGetOne(const Names& names) {
  if (names.stored().empty())
    return "download one: stemsmith download htdemucs (stemsmith models --catalogue lists all), or "
           "give a model.onnx";
  return "name one of yours: " + JoinNames(names.stored(), ", ", &StoredModel::name) +
         "; or set one in the settings file (separate --help)";
}

}  // namespace

ModelChoice ChooseModelAndInputs(const std::string& model, const std::string& default_model,
                                 const std::vector<std::string>& words) {
  const Names names;
  ModelChoice choice;
  if (!model.empty()) {
    choice.inputs = words;
    FillModel(model, true, names, choice);
  } else {
    const std::vector<std::size_t> models = ModelsAmong(words, names);
    choice.inputs = words;
    if (!models.empty()) {
      choice.inputs.erase(choice.inputs.begin() + static_cast<std::ptrdiff_t>(models[0]));
      FillModel(words[models[0]], false, names, choice);
    } else if (!default_model.empty()) {
      FillModel(default_model, true, names, choice);
    } else if (names.stored().size() == 1) {
      choice.file = names.stored().front().file;
    } else {
      throw Error::Usage("no model is named", "", HowToGetOne(names));
    }
  }
  if (choice.inputs.empty())
    throw Error::Usage("there are no songs to separate", "", "separate MODEL SONG…");
  return choice;
}

}  // namespace stemsmith
