#include "separate/onnx_runtime.h"

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include "core/checksum.h"
#include "core/error.h"
#include "core/files.h"
#include "core/flush_denormals.h"
#include "core/option.h"
#include "core/threads.h"
#include "separate/manifest.h"
#include "separate/onnx_error.h"
#include "separate/onnx_file.h"
#include "separate/wanted_stems.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr char kCudaProvider[] = "CUDAExecutionProvider";

// One environment per process. It owns the arena that all sessions allocate from: an arena that
// grows by what is asked for, not by powers of two, so that the peak stays near what one segment
// needs.
Ort::Env& Environment() {
  static Ort::Env* const environment = [] {
    auto* made =
        new Ort::Env(ORT_LOGGING_LEVEL_FATAL, "stemsmith");  // lives as long as the process
    const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    constexpr int kSameAsRequested = 1, kDefault = -1;
    const Ort::ArenaCfg arena(0, kSameAsRequested, kDefault, kDefault);
    made->CreateAndRegisterAllocator(memory, arena);
    return made;
  }();
  return *environment;
}

bool HasCudaProvider() {
  const std::vector<std::string> providers = Ort::GetAvailableProviders();
  return std::find(providers.begin(), providers.end(), kCudaProvider) != providers.end();
}

Ort::SessionOptions SessionOptionsFor(const RuntimeOptions& options, const Device& device) {
  Ort::SessionOptions session;
  const int threads = ComputeThreads(options.threads);
  session.SetIntraOpNumThreads(threads);
  // Threads that wait by spinning take the processor from those they wait for.
  if (threads > Processors()) session.AddConfigEntry("session.intra_op.allow_spinning", "0");
  session.SetInterOpNumThreads(1);
  session.SetExecutionMode(ORT_SEQUENTIAL);
  session.SetLogSeverityLevel(ORT_LOGGING_LEVEL_FATAL);
  session.AddConfigEntry("session.use_env_allocators", "1");
  // Fading reverb tails are full of denormals, which x86 computes a hundred times slower.
  session.AddConfigEntry("session.set_denormal_as_zero", "1");
  if (device.kind == Device::Kind::kCuda) {
    OrtCUDAProviderOptions cuda{};
    cuda.device_id = device.index;
    session.AppendExecutionProvider_CUDA(cuda);
  }
  return session;
}

// The CPU or a GPU; throws Error where a GPU is asked for and cannot be had.
Device ChooseDevice(const Device& wanted, const fs::path& path) {
  if (wanted.kind == Device::Kind::kCpu) return wanted;
  const bool must = wanted.kind == Device::Kind::kCuda;
  if (!HasCudaProvider()) {
    if (!must) return "cpu";
    throw Error::Usage(
        "this ONNX Runtime has no CUDA support", path.string(),
        "the .ts file of the same model runs on the GPU; or use " + Option("device", "cpu"));
  }
  const std::string problem = GpuProblem(wanted);
  if (problem.empty()) return must ? wanted : "cuda";
  if (!must) return "cpu";
  throw Error::Usage(wanted.Name() + " asked for but " + problem, path.string(),
                     "use " + Option("device", "cpu"));
}

Error LoadError(const Ort::Exception& error, const fs::path& path) {
  return OnnxLoadError(error.what(), error.GetOrtErrorCode() == ORT_INVALID_PROTOBUF, path);
}

// A dimension of the graph's type that is fixed must be what the manifest says (-1: dynamic).
void CheckDimension(std::int64_t actual, std::int64_t expected, const char* what,
                    const fs::path& path) {
  if (actual < 0 || actual == expected) return;
  throw Error::Input("the graph has " + std::to_string(actual) + " " + what +
                         " where its manifest says " + std::to_string(expected),
                     path.string(), "export the model again");
}

class OnnxRuntime : public Runtime {
 public:
  OnnxRuntime(const fs::path& path, const RuntimeOptions& options) : path_(path) {
    device_ = ChooseDevice(options.device, path);
    // ONNX Runtime opens external data, too.
    CheckIsFile(path.string() + ".data");
    CheckIsFile(path.parent_path() / "model.onnx.data");
    const std::string model = OfWantedStems(options);
    try {
      Open(options, model);
    } catch (const Ort::Exception& error) {
      if (device_.kind == Device::Kind::kCpu || options.device.kind == Device::Kind::kCuda)
        throw LoadError(error, path);
      device_ = "cpu";  // the provider is there but does not start (another CUDA version, say)
      try {
        Open(options, model);
      } catch (const Ort::Exception& cpu_error) {
        throw LoadError(cpu_error, path);
      }
    }
    ReadManifest();
    CheckExternalData();
    CheckTypes();
  }

  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::string>& stems() const override {
    return stems_.empty() ? manifest_.stems : stems_;
  }

  std::string description() const override {
    return "ONNX Runtime " + Ort::GetVersionString() + ", " + device_.Name();
  }

  void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) override {
    const std::int64_t count = static_cast<std::int64_t>(stems().size());
    const std::array<std::int64_t, 3> in_shape = {batch, manifest_.channels, frames};
    const std::array<std::int64_t, 4> out_shape = {batch, count, manifest_.channels, frames};
    const std::size_t in_count = static_cast<std::size_t>(batch * manifest_.channels * frames);
    const char* in_name = input_name_.c_str();
    const char* out_name = output_name_.c_str();
    const FlushDenormals flush;
    try {
      const Ort::MemoryInfo memory =
          Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
      // ONNX Runtime takes inputs through a non-const pointer but does not write to them. The
      // result is written where the caller wants it; another shape than [B, S, C, T] is refused.
      const Ort::Value in = Ort::Value::CreateTensor<float>(
          memory, const_cast<float*>(mix), in_count, in_shape.data(), in_shape.size());
      Ort::Value out = Ort::Value::CreateTensor<float>(memory, estimates,
                                                       in_count * static_cast<std::size_t>(count),
                                                       out_shape.data(), out_shape.size());
      session_.Run(Ort::RunOptions{nullptr}, &in_name, &in, 1, &out_name, &out, 1);
    } catch (const Ort::Exception& error) {
      throw OnnxRunError(error.what(), path_);
    }
  }

 private:
  // The bytes of a smaller model that gives the wanted stems; empty where there is none.
  std::string OfWantedStems(const RuntimeOptions& options) {
    if (!options.wanted) return "";
    const std::optional<std::string> manifest = OnnxMetadata(path_, kManifestMetadataKey);
    if (!manifest) return "";  // the session says what is wrong
    const Manifest all = Manifest::FromJson(*manifest, path_.string());
    const std::vector<std::size_t> wanted = WantedStems(options, all.stems);
    if (wanted.size() == all.stems.size()) return "";
    std::string model = OnnxOfStems(path_, wanted, all.stems.size());
    if (!model.empty())
      for (const std::size_t stem : wanted) stems_.push_back(all.stems[stem]);
    return model;
  }

  void Open(const RuntimeOptions& options, const std::string& model) {
    // The session sets the calling thread to this, too, and leaves it so: it is put back.
    const FlushDenormals flush;
    Ort::SessionOptions session = SessionOptionsFor(options, device_);
    if (model.empty()) {
      session_ = Ort::Session(Environment(), path_.c_str(), session);
      return;
    }
    session.AddConfigEntry("session.model_external_initializers_file_folder_path",
                           fs::absolute(path_).parent_path().c_str());
    session_ = Ort::Session(Environment(), model.data(), model.size(), session);
  }

  void ReadManifest() {
    Ort::AllocatorWithDefaultOptions allocator;
    const Ort::ModelMetadata metadata = session_.GetModelMetadata();
    const Ort::AllocatedStringPtr text =
        metadata.LookupCustomMetadataMapAllocated(kManifestMetadataKey, allocator);
    if (text == nullptr) {
      throw Error::Input("the ONNX model carries no stemsmith manifest", path_.string(),
                         "give a model.onnx written by `stemsmith export`");
    }
    manifest_ = Manifest::FromJson(text.get(), path_.string());
  }

  // ONNX Runtime has found the weights' file by its name; they must be this model's.
  void CheckExternalData() {
    if (!manifest_.external_data.is_object()) return;
    const fs::path file = path_.parent_path() / manifest_.external_data["file"].get<std::string>();
    const std::string expected = ExternalDataHead(manifest_.external_data["id"].get<std::string>());
    std::string head(kExternalDataHeadBytes, '\0');
    std::ifstream in(file, std::ios::binary);
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    std::error_code error;
    if (!in || head != expected ||
        fs::file_size(file, error) != manifest_.external_data["bytes"].get<std::uint64_t>()) {
      throw Error::Input("the weights do not belong to " + path_.filename().string(), file.string(),
                         "copy both files of one export, or export the model again");
    }
    // Manifests of earlier versions do not say it.
    const std::string checksum = manifest_.external_data.value("xxh3", "");
    if (!checksum.empty() && checksum != HexHash(HashContent(file))) {
      throw Error::Input(
          "the weights were damaged or changed after they were written: their content does not "
          "match the checksum in " +
              path_.filename().string(),
          file.string(), "copy both files of one export, or export the model again");
    }
  }

  void CheckTypes() {
    Ort::AllocatorWithDefaultOptions allocator;
    if (session_.GetInputCount() != 1 || session_.GetOutputCount() != 1) {
      throw Error::Input("the graph does not have one input and one output", path_.string(),
                         "export the model again");
    }
    input_name_ = session_.GetInputNameAllocated(0, allocator).get();
    output_name_ = session_.GetOutputNameAllocated(0, allocator).get();
    const Ort::TypeInfo in_type = session_.GetInputTypeInfo(0);
    const Ort::TypeInfo out_type = session_.GetOutputTypeInfo(0);
    if (in_type.GetONNXType() != ONNX_TYPE_TENSOR || out_type.GetONNXType() != ONNX_TYPE_TENSOR) {
      throw Error::Input("the graph does not take and give tensors", path_.string(),
                         "export the model again");
    }
    const auto in = in_type.GetTensorTypeAndShapeInfo();
    const auto out = out_type.GetTensorTypeAndShapeInfo();
    const std::vector<std::int64_t> in_shape = in.GetShape(), out_shape = out.GetShape();
    if (in.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT ||
        out.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || in_shape.size() != 3) {
      throw Error::Input("the graph does not map float32 [B, C, T] to float32 [B, S, C, T]",
                         path_.string(), "export the model again");
    }
    CheckDimension(in_shape[1], manifest_.channels, "channels", path_);
    // A shape that inference could not find out has rank 0 here; Run() then checks it.
    if (out_shape.size() != 4) return;
    CheckDimension(out_shape[1], static_cast<std::int64_t>(stems().size()), "stems", path_);
    CheckDimension(out_shape[2], manifest_.channels, "channels", path_);
  }

  const fs::path path_;
  Device device_;  // never kAuto
  Ort::Session session_{nullptr};
  Manifest manifest_;
  std::vector<std::string> stems_;  // where they are not all
  std::string input_name_, output_name_;
};

}  // namespace

std::unique_ptr<Runtime> OpenOnnxRuntime(const fs::path& path, const RuntimeOptions& options) {
  return std::make_unique<OnnxRuntime>(path, options);
}

}  // namespace stemsmith
