#include "models/weights/foreign.h"

#include <set>

#include "core/error.h"
#include "core/option.h"
#include "core/sha256.h"
#include "core/text.h"
#include "models/weights/pickle.h"
#include "models/weights/state_prefix.h"
#include "models/weights/torch_file.h"

namespace stemsmith {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int kMaxArgumentDepth = 20;
constexpr std::size_t kMaxArguments = 100'000;

// Plain values as JSON; what has no place there becomes null. Bounded in depth and number, as lists
// of a pickle may hold themselves.
OrderedJson PlainValue(const PickleValue& value, int depth, std::size_t& count) {
  if (depth > kMaxArgumentDepth || ++count > kMaxArguments) return nullptr;
  switch (value.kind()) {
    case PickleKind::kBool:
      return value.node().integer != 0;
    case PickleKind::kInteger:
      return value.node().integer;
    case PickleKind::kFloat:
      return value.node().number;
    case PickleKind::kString:
      return value.text();
    case PickleKind::kFraction:
      return {{"_type", "fraction"},
              {"numerator", value.node().integer},
              {"denominator", value.node().denominator}};
    case PickleKind::kList:
    case PickleKind::kTuple:
    case PickleKind::kSet: {
      OrderedJson list = OrderedJson::array();
      for (std::size_t i = 0; i < value.size(); ++i)
        list.push_back(PlainValue(value.item(i), depth + 1, count));
      return list;
    }
    case PickleKind::kDict: {
      OrderedJson object = OrderedJson::object();
      for (std::size_t i = 0; i < value.size(); ++i)
        if (value.key(i).Is(PickleKind::kString))
          object[value.key(i).text()] = PlainValue(value.value(i), depth + 1, count);
      return object;
    }
    case PickleKind::kObject: {
      // OmegaConf: containers keep their children under _content, leaves their value under _val.
      if (!value.state()) return nullptr;
      if (const auto content = value.state()->Find("_content"))
        return PlainValue(*content, depth + 1, count);
      if (const auto leaf = value.state()->Find("_val")) return PlainValue(*leaf, depth + 1, count);
      return nullptr;
    }
    case PickleKind::kNone:
    case PickleKind::kLong:
    case PickleKind::kBytes:
    case PickleKind::kClass:
    case PickleKind::kStorage:
    case PickleKind::kTensor:
      break;
  }
  return nullptr;
}

[[noreturn]] void RefuseQuantised(const std::string& where) {
  throw Error::Input("quantised weights (DiffQ)", where,
                     "they cannot be imported: use the model's full package, or load this one with "
                     "Python's demucs and diffq and save its state dict");
}

[[noreturn]] void RefuseContent(const std::string& where) {
  throw Error::Input("no weights were found in the file", where,
                     "known are packages of Demucs, checkpoints with a state, state_dict or "
                     "model_state_dict, and plain state dicts");
}

// What torch.save(model) leaves in place of weights.
bool IsWholeModel(const PickleValue& value) {
  const auto state = value.state();
  return state && state->Find("_parameters") && state->Find("_modules");
}

void RefuseWholeModel(const PickleValue& value, const std::string& entry,
                      const std::string& where) {
  if (!IsWholeModel(value)) return;
  const std::string index = entry.empty() ? "" : "[" + QuotedText(entry) + "]";
  throw Error::Input(
      (entry.empty() ? "a" : "its entry " + QuotedText(entry) + " is a") +
          std::string(" whole model, an object of the class ") + QuotedText(value.text()) +
          ", not its weights",
      where,
      "save the weights alone, with Python: torch.save(torch.load(FILE, weights_only=False)" +
          index + ".state_dict(), \"weights.pt\")");
}

// The tensors of a dict and of dicts below it, also in lists and tuples, by the path of their keys
// and places: "state_dict.encoder.bias", "0.encoder.bias". Tensors in a list have no names.
class TensorsBelow {
 public:
  explicit TensorsBelow(const PickleValue& value, const std::string& path = "") {
    Collect(value, path, 0);
  }
  const std::vector<std::pair<std::string, PickleValue>>& all() const { return all_; }

 private:
  void Collect(const PickleValue& value, const std::string& path, int depth) {
    constexpr int kMaxDepth = 16;
    constexpr std::size_t kMaxName = 1000;
    const bool is_dict = value.Is(PickleKind::kDict);
    if (!(is_dict || value.IsSequence()) || depth > kMaxDepth) return;
    // Containers of a pickle may hold themselves and each other.
    if (!seen_.insert(&value.node()).second) return;
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (is_dict && !value.key(i).Is(PickleKind::kString)) continue;
      const std::string key = is_dict ? value.key(i).text() : std::to_string(i);
      if (path.size() + key.size() > kMaxName) continue;
      const PickleValue item = is_dict ? value.value(i) : value.item(i);
      if (!item.Is(PickleKind::kTensor)) {
        Collect(item, path + key + ".", depth + 1);
      } else if (is_dict) {
        all_.emplace_back(path + key, item);
      }
    }
  }

  std::set<const PickleNode*> seen_;
  std::vector<std::pair<std::string, PickleValue>> all_;
};

void RefuseQuantisedState(const PickleValue& state, const std::string& where) {
  if (state.Find("__quantized") || state.Find("compressed")) RefuseQuantised(where);
}

// The names under a prefix that was asked for, without it.
NamedTensors OnlyUnder(const std::string& prefix, const NamedTensors& state,
                       const std::string& where) {
  NamedTensors under;
  for (const auto& [name, tensor] : state)
    if (name.starts_with(prefix)) under.emplace_back(name.substr(prefix.size()), tensor);
  if (under.empty())
    throw Error::Input("no name begins with " + QuotedText(prefix), where,
                       "they begin with " + PrefixesOf(state));
  return under;
}

NamedTensors StateOf(TorchFile& file, const TensorsBelow& tensors) {
  NamedTensors state;
  for (const auto& [name, value] : tensors.all())
    state.emplace_back(name, file.Tensor(value, name));
  return state;
}

// A note on entries of a checkpoint beside `taken` that hold as many tensors: averages of the
// weights, say. What optimisers keep goes by numbers, not by names.
void NoteOthers(const PickleValue& root, const std::string& taken, std::size_t tensors,
                std::vector<std::string>& notes) {
  std::vector<std::string> others;
  for (std::size_t i = 0; i < root.size(); ++i)
    if (root.key(i).Is(PickleKind::kString) && root.key(i).text() != taken &&
        TensorsBelow(root.value(i)).all().size() >= tensors)
      others.push_back(root.key(i).text() + ".");
  if (!others.empty())
    notes.push_back("the weights under " + QuotedText(taken) + " are taken; " + Option("prefix") +
                    " takes those under " + JoinNames(others, " or ", QuotedText));
}

// Of a training checkpoint, or a state dict itself. Demucs keeps its best weights beside the last
// ones.
TensorsBelow FindState(const PickleValue& root, const std::string& prefix,
                       const std::string& where, std::vector<std::string>& notes) {
  for (const char* key : {"best_state", "state", "state_dict", "model_state_dict", "model"}) {
    const auto state = prefix.empty() ? root.Find(key) : std::nullopt;
    if (!state) continue;
    RefuseQuantisedState(*state, where);
    RefuseWholeModel(*state, key, where);
    TensorsBelow tensors(*state, std::string(key) + ".");
    if (tensors.all().empty()) continue;
    NoteOthers(root, key, tensors.all().size(), notes);
    return tensors;
  }
  RefuseQuantisedState(root, where);
  TensorsBelow tensors(root);
  if (!tensors.all().empty()) return tensors;
  RefuseWholeModel(root, "", where);
  for (std::size_t i = 0; root.Is(PickleKind::kDict) && i < root.size(); ++i)
    RefuseWholeModel(root.value(i), root.key(i).text(), where);
  RefuseContent(where);
}

ForeignModel ReadTorchFile(const std::filesystem::path& path, const std::string& prefix) {
  const std::string where = path.string();
  TorchFile file(path);
  const PickleValue root = file.root();
  ForeignModel model;
  const auto klass = root.Find("klass");
  if (klass) {
    const auto args = root.Find("args"), kwargs = root.Find("kwargs"), state = root.Find("state");
    if (!klass->Is(PickleKind::kClass) || !args || !kwargs || !state ||
        !kwargs->Is(PickleKind::kDict))
      throw Error::Input("a package without arguments or state", where, "download it again");
    model.klass = klass->text();
    std::size_t count = 0;
    model.args = PlainValue(*args, 0, count);
    model.kwargs = PlainValue(*kwargs, 0, count);
    if (!model.args.is_array()) model.args = OrderedJson::array();
    RefuseQuantisedState(*state, where);
    model.state = StateOf(file, TensorsBelow(*state));
    if (model.state.empty()) RefuseContent(where);
    return model;
  }
  if (root.IsSequence() && root.size() == 4 && root.item(0).Is(PickleKind::kClass))
    throw Error::Input("a package of Demucs 1, whose network is another one", where,
                       "use a package of Demucs 2, 3 or 4");
  model.state = StateOf(file, FindState(root, prefix, where, model.notes));
  return model;
}

OrderedJson ParseEntry(const std::string& text, const std::string& key, const std::string& where) {
  OrderedJson value = OrderedJson::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded())
    throw Error::Input("the metadata entry '" + key + "' is not JSON", where, "download it again");
  return value;
}

// `structure` says how a state that is no flat dict was flattened. Only quantised states nest.
NamedTensors Unflatten(const OrderedJson& structure, const NamedTensors& tensors,
                       const std::string& where) {
  const auto entries = structure.is_object() ? structure.find("_dict") : structure.end();
  if (!structure.is_object() || entries == structure.end() || !entries->is_array())
    throw Error::Input("the state's structure is no dict", where, "download the file again");
  NamedTensors state;
  for (const OrderedJson& entry : *entries) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string())
      throw Error::Input("the state's structure is damaged", where, "download the file again");
    const auto name = entry[0].get<std::string>();
    if (name == "__quantized") RefuseQuantised(where);
    const OrderedJson& node = entry[1];
    const auto stored = node.is_object() ? node.find("_tensor") : node.end();
    if (!node.is_object() || stored == node.end() || !stored->is_string())
      throw Error::Input("the state holds something that is no named tensor", where);
    const auto key = stored->get<std::string>();
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const auto& tensor) { return tensor.first == key; });
    if (found == tensors.end())
      throw Error::Input("the state's structure names a tensor that is not there", where);
    state.emplace_back(name, found->second);
  }
  return state;
}

// The metadata of PyPI unblend, as the configuration that it was made from.
std::string ConfigOfUnblend(const SafetensorsFile& file, const std::string& where) {
  OrderedJson entries = OrderedJson::object();
  for (const auto& [key, value] : file.metadata)
    entries[key] = key == "architecture" ? OrderedJson(value) : OrderedJson();
  if (!entries.contains("unblend_format") || !entries.contains("architecture")) return "";
  for (const auto& [key, value] : file.metadata)
    if (key == "sources" || key == "samplerate" || key == "segment_samples" || key == "config")
      entries[key] = ParseEntry(value, key, where);
  OrderedJson training = {{"model_type", entries["architecture"]}};
  const OrderedJson stems = entries.value("sources", OrderedJson::array());
  training["instruments"] = stems;
  // It names the rest of the song beside the stem of a model that has one.
  const OrderedJson options = entries.value("config", OrderedJson::object());
  if (options.is_object() && options.value("num_stems", OrderedJson()) == 1 && stems.is_array() &&
      stems.size() == 2)
    training["target_instrument"] = stems[0];
  return OrderedJson{{"model", options},
                     {"audio",
                      {{"sample_rate", entries.value("samplerate", OrderedJson())},
                       {"chunk_size", entries.value("segment_samples", OrderedJson())}}},
                     {"training", training}}
      .dump();
}

ForeignModel ReadSafetensorsFile(const std::filesystem::path& path) {
  const std::string where = path.string();
  SafetensorsFile file = LoadSafetensors(path);
  ForeignModel model;
  model.config = ConfigOfUnblend(file, where);
  model.state = std::move(file.tensors);
  for (const auto& [key, value] : file.metadata) {
    if (key == "klass") model.klass = value;
    if (key == "args") model.args = ParseEntry(value, key, where);
    if (key == "kwargs") model.kwargs = ParseEntry(value, key, where);
    if (key == "structure")
      model.state = Unflatten(ParseEntry(value, key, where), model.state, where);
  }
  if (!model.args.is_array() || !model.kwargs.is_object())
    throw Error::Input("the arguments in the metadata are no list and map", where,
                       "download the file again");
  if (model.state.empty()) RefuseContent(where);
  return model;
}

// The hexadecimal checksum of "SIG-CHECKSUM.th", "" without one.
std::string ChecksumInName(const std::filesystem::path& path) {
  const std::string stem = path.stem().string();
  const std::size_t hyphen = stem.rfind('-');
  if (hyphen == std::string::npos || path.extension() != ".th") return "";
  const std::string tail = stem.substr(hyphen + 1);
  const bool hex = tail.size() >= 8 && tail.find_first_not_of("0123456789abcdef") == tail.npos;
  return hex ? tail : "";
}

void CheckNamedChecksum(const std::filesystem::path& path) {
  const std::string wanted = ChecksumInName(path);
  if (wanted.empty() || !std::filesystem::is_regular_file(path)) return;
  const std::string actual = Sha256OfFile(path).substr(0, wanted.size());
  if (actual != wanted)
    throw Error::Input("the file's checksum is " + actual + ", its name says " + wanted,
                       path.string(),
                       "download it again, or rename it if it was changed on purpose");
}

}  // namespace

ForeignModel ReadForeignModel(const std::filesystem::path& path, const std::string& prefix) {
  CheckNamedChecksum(path);
  ForeignModel model =
      path.extension() == ".safetensors" ? ReadSafetensorsFile(path) : ReadTorchFile(path, prefix);
  if (!prefix.empty()) model.state = OnlyUnder(prefix, model.state, path.string());
  return model;
}

}  // namespace stemsmith
