#include "models/weights/foreign.h"

#include "core/error.h"
#include "models/weights/pickle.h"
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

// Wrappers of training programs put a word before every name.
void StripPrefixes(NamedTensors& state) {
  for (const std::string prefix : {"module.", "_orig_mod."}) {
    bool all = !state.empty();
    for (const auto& [name, tensor] : state) all &= name.rfind(prefix, 0) == 0;
    if (!all) continue;
    for (auto& [name, tensor] : state) name = name.substr(prefix.size());
  }
}

bool HoldsTensors(const PickleValue& value) {
  for (std::size_t i = 0; value.Is(PickleKind::kDict) && i < value.size(); ++i)
    if (value.value(i).Is(PickleKind::kTensor)) return true;
  return false;
}

NamedTensors StateOf(TorchFile& file, const PickleValue& state, const std::string& where) {
  if (state.Find("__quantized") || state.Find("compressed")) RefuseQuantised(where);
  if (!HoldsTensors(state)) RefuseContent(where);
  NamedTensors tensors;
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (!state.key(i).Is(PickleKind::kString) || !state.value(i).Is(PickleKind::kTensor))
      throw Error::Input("the weights hold something that is no named tensor", where,
                         "save the model's state_dict() alone");
    tensors.emplace_back(state.key(i).text(), file.Tensor(state.value(i)));
  }
  return tensors;
}

ForeignModel ReadTorchFile(const std::filesystem::path& path) {
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
    model.state = StateOf(file, *state, where);
    return model;
  }
  if (root.IsSequence() && root.size() == 4 && root.item(0).Is(PickleKind::kClass))
    throw Error::Input("a package of Demucs 1, whose network is another one", where,
                       "use a package of Demucs 2, 3 or 4");
  // Training checkpoints; Demucs keeps its best weights beside the last ones.
  for (const char* key : {"best_state", "state", "state_dict", "model_state_dict", "model"}) {
    const auto state = root.Find(key);
    if (state && state->Is(PickleKind::kDict) && state->size() > 0) {
      model.state = StateOf(file, *state, where);
      StripPrefixes(model.state);
      return model;
    }
  }
  model.state = StateOf(file, root, where);
  StripPrefixes(model.state);
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

ForeignModel ReadSafetensorsFile(const std::filesystem::path& path) {
  const std::string where = path.string();
  SafetensorsFile file = LoadSafetensors(path);
  ForeignModel model;
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
  if (model.klass.empty()) StripPrefixes(model.state);
  return model;
}

}  // namespace

ForeignModel ReadForeignModel(const std::filesystem::path& path) {
  return path.extension() == ".safetensors" ? ReadSafetensorsFile(path) : ReadTorchFile(path);
}

}  // namespace stemsmith
