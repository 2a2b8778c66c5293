#include "models/weights/lora.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "core/numbers.h"
#include "core/option.h"
#include "core/text.h"
#include "models/checkpoint.h"
#include "models/weights/dialects/dialect.h"
#include "models/weights/dialects/json_options.h"
#include "models/weights/foreign.h"
#include "models/weights/pickle_value.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kPeftConfig[] = "adapter_config.json";
constexpr char kOtherAdvice[] = "merge it in the program that wrote it, and import the result";

struct Adapter {
  torch::Tensor a, b;  // [r, in], [out, r]
};
using Adapters = std::map<std::string, Adapter>;  // by the name of the layer

std::string ShapeOf(const torch::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.sizes();
  return text.str();
}

// "layers.0.to_qkv" of "layers.0.to_qkv.lora_A" (loralib) and "….lora_A.weight",
// "….lora_A.default.weight" (PEFT).
Adapters AdaptersIn(const NamedTensors& state, const std::string& where) {
  Adapters adapters;
  std::vector<std::string> others;
  for (const auto& [name, tensor] : state) {
    const std::size_t at = name.find(".lora_");
    const std::string rest = at == name.npos ? "" : name.substr(at + 6);
    const std::string kind = rest.substr(0, 1), end = rest.empty() ? "" : rest.substr(1);
    const bool known = end.empty() || end == ".weight" || end == ".default.weight";
    if ((kind == "A" || kind == "B") && known && tensor.dim() == 2) {
      if (!torch::isfinite(tensor).all().item<bool>())
        throw Error::Input("the adapters' tensor " + QuotedText(name) +
                               " holds values that are not finite",
                           where, "their training diverged, or the file is damaged");
      Adapter& adapter = adapters[name.substr(0, at)];
      (kind == "A" ? adapter.a : adapter.b) = tensor.to(torch::kFloat32);
    } else {
      others.push_back(QuotedText(name));
    }
  }
  if (adapters.empty())
    throw Error::Input("no adapters (lora_A, lora_B) were found in the file", where,
                       "give the file of adapters to " + Option("lora") +
                           ", and the model's weights as the file to import");
  if (!others.empty())
    throw Error::Input("it holds more than adapters of linear layers: " +
                           JoinNames(std::vector(
                               others.begin(),
                               others.begin() + std::min<std::ptrdiff_t>(4, std::ssize(others)))) +
                           (others.size() > 4 ? ", …" : ""),
                       where, kOtherAdvice);
  for (const auto& [layer, adapter] : adapters)
    if (!adapter.a.defined() || !adapter.b.defined())
      throw Error::Input("the adapter of " + layer + " lacks its " +
                             (adapter.a.defined() ? "lora_B" : "lora_A"),
                         where, "the file is damaged: copy it again");
  return adapters;
}

// How PEFT trained them.
struct PeftConfig {
  double alpha = 0;
  bool root_of_rank = false;  // alpha / √r
};

PeftConfig ReadPeftConfig(const fs::path& file, std::optional<double> alpha) {
  const auto json = ParseJson(ReadFile(file));
  const JsonFields fields(json, [&](const std::string& problem) {
    return Error::Input("the adapters' configuration makes no sense: " + problem, file.string(),
                        kOtherAdvice);
  });
  if (fields.Text("peft_type", "LORA") != "LORA")
    throw Error::Input("adapters of the kind " + QuotedText(fields.Text("peft_type")) +
                           ", not LORA",
                       file.string(), kOtherAdvice);
  const auto set = [&](const char* key) {
    return json.contains(key) && json[key] != false && !json[key].is_null() && !json[key].empty();
  };
  for (const char* key : {"use_dora", "fan_in_fan_out", "alpha_pattern", "modules_to_save"})
    if (set(key))
      throw Error::Input(std::string("adapters with ") + key, file.string(), kOtherAdvice);
  return {alpha ? *alpha : fields.Number<double>("lora_alpha", {0, 1e6}), set("use_rslora")};
}

fs::path PeftWeights(const fs::path& folder) {
  std::error_code code;
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"})
    if (fs::is_regular_file(folder / name, code)) return folder / name;
  throw Error::Input("no adapters of PEFT in this folder", folder.string(),
                     "expected adapter_config.json and adapter_model.safetensors or .bin");
}

// Where a layer's weight stands in `state`: once, or several times where averages lie beside it.
std::vector<std::size_t> PlacesOf(const std::string& layer, const NamedTensors& state) {
  const std::string name = layer + ".weight";
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < state.size(); ++i)
    if (state[i].first == name || state[i].first.ends_with("." + name)) places.push_back(i);
  return places;
}

// The length of what stands before the names of all layers in the file of adapters alone
// ("base_model.model.").
std::size_t OwnPrefix(const Adapters& adapters, const NamedTensors& state,
                      const std::string& where) {
  const std::string& first = adapters.begin()->first;
  for (std::size_t at = 0;;) {
    if (std::all_of(adapters.begin(), adapters.end(), [&](const auto& adapter) {
          return adapter.first.starts_with(first.substr(0, at)) &&
                 !PlacesOf(adapter.first.substr(at), state).empty();
        }))
      return at;
    at = first.find('.', at);
    if (at++ == first.npos) break;
  }
  throw Error::Input("the adapters are of another model: the weights do not have all of their "
                     "layers, such as " +
                         QuotedText(first),
                     where, "give the weights that they were trained beside");
}

// Which of equal parts of its rows a layer has adapters for: loralib's `enable_lora`.
std::vector<bool> EnabledParts(const Config& lora, std::int64_t adapted) {
  std::vector<bool> enabled;
  if (lora.Has("enable_lora"))
    for (const Config& part : lora.List("enable_lora")) enabled.push_back(JsonOption(part) == true);
  if (enabled.empty() && adapted == 2) enabled = {true, false, true};  // queries and values
  return enabled;
}

torch::Tensor DeltaOf(const std::string& layer, const Adapter& adapter, const torch::Tensor& weight,
                      const Config& lora, const std::string& where) {
  const auto refuse = [&]() -> Error {
    return Error::Input("the adapter of " + layer + " does not fit its layer: lora_A " +
                            ShapeOf(adapter.a) + ", lora_B " + ShapeOf(adapter.b) + " for " +
                            ShapeOf(weight),
                        where, "give the weights that they were trained beside");
  };
  const std::int64_t rank = adapter.b.size(1);
  if (weight.dim() != 2 || rank == 0 || adapter.a.size(1) != weight.size(1) ||
      adapter.a.size(0) % rank != 0)
    throw refuse();
  const std::int64_t adapted = adapter.a.size(0) / rank;
  if (adapted == 1) {
    if (adapter.b.size(0) != weight.size(0)) throw refuse();
    return torch::mm(adapter.b, adapter.a);
  }
  const std::vector<bool> enabled = EnabledParts(lora, adapted);
  const auto parts = std::ssize(enabled);
  if (std::count(enabled.begin(), enabled.end(), true) != adapted || weight.size(0) % parts != 0 ||
      adapter.b.size(0) != weight.size(0) / parts * adapted)
    throw refuse();
  const std::int64_t rows = weight.size(0) / parts;
  torch::Tensor delta = torch::zeros(weight.sizes());
  std::int64_t from = 0;
  for (std::int64_t part = 0; part < parts; ++part) {
    if (!enabled[static_cast<std::size_t>(part)]) continue;
    delta.narrow(0, part * rows, rows)
        .copy_(torch::mm(adapter.b.narrow(0, from * rows, rows),
                         adapter.a.narrow(0, from * rank, rank)));
    ++from;
  }
  return delta;
}

// What `stemsmith export --format lora` writes beside the adapters.
std::optional<double> StoredAlpha(const fs::path& file) {
  if (file.extension() != ".safetensors") return {};
  for (const auto& [key, value] : LoadSafetensors(file).metadata)
    if (key == "lora_alpha") return ParseNumber(value);
  return {};
}

double AlphaOf(const LoraOptions& options, const Config& lora, const fs::path& file) {
  if (options.alpha) return *options.alpha;
  if (const auto stored = StoredAlpha(file)) return *stored;
  if (lora.Has("lora_alpha")) return lora.NumberIn("lora_alpha", 0, 0, 1e6);
  throw Error::Usage("the file of adapters does not say their alpha", file.string(),
                     "give it with " + Option("lora-alpha") +
                         ", or lora.lora_alpha in the configuration");
}

}  // namespace

void RefuseAdaptersAmong(const NamedTensors& weights, const std::string& where) {
  const auto is_adapter = [](const auto& item) {
    const std::string name = item.first + ".";
    return name.find(".lora_A.") != name.npos || name.find(".lora_B.") != name.npos;
  };
  const auto adapter = std::find_if(weights.begin(), weights.end(), is_adapter);
  if (adapter == weights.end()) return;
  if (std::all_of(weights.begin(), weights.end(), is_adapter))
    throw Error::Input("this is a LoRA adapter, not weights", where,
                       "give it with " + Option("lora") + " beside the weights of its base");
  throw Error::Input("the file holds adapters (" + QuotedText(adapter->first) +
                         ") beside the weights, and does not show whether these contain them "
                         "already, as those that loralib saves in eval mode",
                     where,
                     "save the weights alone, merged, or lora_A and lora_B in a file of their own "
                     "for " +
                         Option("lora"));
}

std::vector<fs::path> LoraFiles(const fs::path& path) {
  std::error_code code;
  if (!fs::is_directory(path, code)) return {path};
  return {PeftWeights(path), path / kPeftConfig};
}

std::string MergeLora(const fs::path& path, const LoraOptions& options, NamedTensors& state) {
  std::error_code code;
  if (!fs::exists(path, code))
    throw Error::Input("no such file or folder of adapters", path.string(), "check the path");
  CheckContent(path, FileUse::kAdapterFile);
  const bool folder = fs::is_directory(path, code);
  const fs::path file = LoraFiles(path).front();
  const std::string where = path.string();
  const Adapters adapters = AdaptersIn(ReadForeignModel(file).state, file.string());
  std::vector<std::string> notes;  // who plans the model reads it again, and says them
  const Config lora =
      options.config.empty() ? Config() : LoadModelConfig(options.config, notes).Child("lora");
  PeftConfig peft;
  if (folder) {
    peft = ReadPeftConfig(path / kPeftConfig, options.alpha);
  } else {
    peft.alpha = AlphaOf(options, lora, path);
  }

  const std::size_t own = OwnPrefix(adapters, state, where);
  for (const auto& [name, adapter] : adapters) {
    const std::string layer = name.substr(own);
    const std::vector<std::size_t> places = PlacesOf(layer, state);
    const auto rank = static_cast<double>(adapter.b.size(1));
    const double scale = peft.alpha / (peft.root_of_rank ? std::sqrt(rank) : rank);
    for (const std::size_t place : places) {
      const torch::Tensor weight = state[place].second.to(torch::kFloat32);
      state[place].second = weight + scale * DeltaOf(layer, adapter, weight, lora, where);
    }
  }
  return "merged adapters of " + std::to_string(adapters.size()) + " layers, of rank " +
         std::to_string(adapters.begin()->second.b.size(1)) + " with alpha " +
         NumberText(peft.alpha) + ", from " + where;
}

}  // namespace stemsmith
