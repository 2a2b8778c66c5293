#include "models/weights/package.h"

#include <caffe2/serialize/inline_container.h>

#include <fstream>
#include <functional>
#include <numeric>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/option.h"
#include "core/sha256.h"
#include "core/text.h"
#include "models/model_for_weights.h"
#include "models/weights/dialects/demucs_classes.h"
#include "models/weights/dialects/json_options.h"
#include "models/weights/pickle_writer.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

// A model as Python's class and arguments.
struct PythonModel {
  std::string module, name;  // of the class
  OrderedJson kwargs = OrderedJson::object();
  NamedTensors state;  // float32
};

PythonModel DescribeForPython(const Config& given, const Checkpoint& checkpoint, NamedTensors state,
                              const std::string& where) {
  const ModelSetting& setting = checkpoint.setting;
  const std::int64_t segment_frames = checkpoint.segment_frames;
  const std::string row_name = given.RequiredString("name");
  const DemucsClass* row = nullptr;
  for (const DemucsClass& candidate : DemucsClasses()) {
    if (row == nullptr && row_name == candidate.row) row = &candidate;
  }
  if (row == nullptr) {
    std::vector<std::string> rows;  // several classes may be of one
    for (const DemucsClass& known : DemucsClasses())
      if (rows.empty() || rows.back() != known.row) rows.emplace_back(known.row);
    throw Error::Usage("Python's demucs has no model '" + row_name + "'", where,
                       "these can be written as packages: " + JoinNames(rows));
  }
  PythonModel model;
  const std::string klass = row->klass;
  model.module = klass.substr(0, klass.rfind('.'));
  model.name = klass.substr(klass.rfind('.') + 1);
  model.kwargs["sources"] = setting.stems;
  model.kwargs["audio_channels"] = setting.channels;
  model.kwargs["samplerate"] = setting.sample_rate_hz;
  // Exact: Python multiplies by the sample rate again and rounds down.
  if (row->segment_in_frames) {
    model.kwargs[row->segment] = segment_frames;
  } else if (segment_frames % setting.sample_rate_hz == 0) {
    model.kwargs[row->segment] = segment_frames / setting.sample_rate_hz;
  } else {
    const std::int64_t common =
        std::gcd(segment_frames, static_cast<std::int64_t>(setting.sample_rate_hz));
    model.kwargs[row->segment] = {{"_type", "fraction"},
                                  {"numerator", segment_frames / common},
                                  {"denominator", setting.sample_rate_hz / common}};
  }
  // With every default that building the model asked for.
  MakeModelFor(state, given, setting);
  const Config resolved = Config::Parse(given.Dump(), where);
  std::istringstream parameters(row->parameters);
  for (std::string key; parameters >> key;)
    if (resolved.Has(key) && !model.kwargs.contains(key))
      model.kwargs[key] = JsonOption(resolved.Value(key));
  // Here 0 says "as channels", there None does.
  if (model.kwargs.value("channels_time", OrderedJson(1)) == 0)
    model.kwargs["channels_time"] = nullptr;
  model.state = std::move(state);
  return model;
}

using Sink = std::function<void(const void* data, std::size_t bytes)>;

// The archive that torch.save would write.
void WriteArchive(const PythonModel& model, const Sink& sink) {
  PickleWriter pickle;
  pickle.EmptyDict();
  pickle.Mark();
  pickle.String("klass");
  pickle.Class(model.module, model.name);
  pickle.String("args");
  pickle.Mark();
  pickle.Tuple();
  pickle.String("kwargs");
  pickle.Json(model.kwargs);
  pickle.String("state");
  pickle.EmptyDict();
  pickle.Mark();
  for (std::size_t i = 0; i < model.state.size(); ++i) {
    pickle.String(model.state[i].first);
    pickle.FloatTensor(std::to_string(i), model.state[i].second.sizes().vec());
  }
  pickle.SetItems();
  // Demucs 2 asks the training's arguments whether the weights are quantised, later ones do not.
  pickle.String("training_args");
  if (model.module == "demucs.model") {
    pickle.Class("argparse", "Namespace");
    pickle.Mark();
    pickle.Tuple();
    pickle.NewObject();
  }
  pickle.Json(OrderedJson{{"diffq", 0}, {"qat", 0}});
  if (model.module == "demucs.model") pickle.Build();
  pickle.SetItems();
  const std::string text = pickle.Finish();

  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t bytes) {
    sink(data, bytes);
    return bytes;
  });
  writer.writeRecord("data.pkl", text.data(), text.size());
  writer.writeRecord("byteorder", "little", 6);
  for (std::size_t i = 0; i < model.state.size(); ++i) {
    const torch::Tensor data =
        model.state[i].second.detach().to(torch::kCPU, torch::kFloat32).contiguous();
    writer.writeRecord("data/" + std::to_string(i), data.const_data_ptr(), data.nbytes());
  }
  writer.writeEndOfFile();
}

// Python refuses a package whose name does not hold its checksum, which is known at the end only:
// the same bytes are made twice.
fs::path WriteTorchPackage(const PythonModel& model, const PackageOptions& options,
                           PendingFolder& files) {
  Sha256 hash;
  WriteArchive(model, [&](const void* data, std::size_t bytes) { hash.Update(data, bytes); });
  const std::string file = options.name + "-" + hash.Hex().substr(0, 8) + ".th";
  const fs::path path = options.out / file;
  for (const auto& entry : fs::directory_iterator(options.out)) {
    const std::string stem = entry.path().stem().string();
    if (entry.path() != path && entry.path().extension() == ".th" &&
        (stem == options.name || stem.rfind(options.name + "-", 0) == 0))
      throw Error::Input("Python refuses folders with two packages of one name",
                         entry.path().string(),
                         "delete this one or choose another " + Option("name"));
  }
  errno = 0;
  std::ofstream out(files.Add(file), std::ios::binary | std::ios::trunc);
  WriteArchive(model, [&](const void* data, std::size_t bytes) {
    out.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  });
  out.close();
  if (!out) throw Error::Write("cannot write the package", path.string());
  return path;
}

fs::path WriteSafetensorsPackage(const PythonModel& model, const PackageOptions& options,
                                 PendingFolder& files) {
  const std::string file = options.name + ".safetensors";
  SaveSafetensors(files.Add(file), model.state,
                  {{"format", "pt"},
                   {"klass", model.module + "." + model.name},
                   {"args", "[]"},
                   {"kwargs", model.kwargs.dump()}});
  return options.out / file;
}

fs::path WriteOne(const PythonModel& model, const PackageOptions& options, PendingFolder& files) {
  return options.format == "th" ? WriteTorchPackage(model, options, files)
                                : WriteSafetensorsPackage(model, options, files);
}

}  // namespace

std::vector<fs::path> WritePackage(const Checkpoint& checkpoint, const std::string& where,
                                   const PackageOptions& options) {
  if (options.name.empty() || options.name.find_first_of("-/.\\ ") != std::string::npos)
    throw Error::Usage("a package cannot be named '" + options.name + "'", Option("name"),
                       "use letters, digits and underscores");
  const fs::path list = options.out / (options.name + ".yaml");
  CheckAreNoSources({list, options.out / (options.name + ".safetensors")}, {where});
  PendingFolder pending(options.out);
  const Config config = Config::Parse(checkpoint.model_config, where);
  if (config.RequiredString("name") != "bag") {
    const PythonModel model = DescribeForPython(config, checkpoint, checkpoint.weights, where);
    const std::vector<fs::path> files = {WriteOne(model, options, pending)};
    pending.Commit();
    return files;
  }
  const std::vector<Config> parts = config.List("models");
  OrderedJson bag = {{"models", OrderedJson::array()}};
  std::vector<fs::path> files;
  for (std::size_t m = 0; m < parts.size(); ++m) {
    NamedTensors state;
    const std::string prefix = "models." + std::to_string(m) + ".";
    for (const auto& [name, tensor] : checkpoint.weights)
      if (name.rfind(prefix, 0) == 0) state.emplace_back(name.substr(prefix.size()), tensor);
    PackageOptions part = options;
    part.name += "_" + std::to_string(m + 1);
    files.push_back(
        WriteOne(DescribeForPython(parts[m], checkpoint, std::move(state), where), part, pending));
    bag["models"].push_back(part.name);
  }
  for (const Config& row : config.List("weights")) bag["weights"].push_back(JsonOption(row));
  WriteFileAtomically(pending.Add(list.filename().string()), bag.dump() + "\n");
  pending.Commit();
  files.insert(files.begin(), list);
  return files;
}

}  // namespace stemsmith
