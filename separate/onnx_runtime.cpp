#include "separate/onnx_runtime.h"

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "core/cpu.h"
#include "core/error.h"
#include "core/flush_denormals.h"
#include "core/option.h"
#include "core/text.h"
#include "core/threads.h"
#include "separate/block_pool.h"
#include "separate/compiled_cache.h"
#include "separate/manifest.h"
#include "separate/onnx_error.h"
#include "separate/onnx_file.h"
#include "separate/optimized_onnx.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr char kCudaProvider[] = "CUDAExecutionProvider";
// Of weights beside models that are given as bytes.
constexpr char kWeightsFolder[] = "session.model_external_initializers_file_folder_path";

// What all sessions allocate from.
class SharedMemory : public OrtAllocator {
 public:
  SharedMemory() : OrtAllocator{} {
    version = ORT_API_VERSION;
    Alloc = [](OrtAllocator* own, std::size_t bytes) { return Pool(own).Allocate(bytes); };
    Reserve = Alloc;
    Free = [](OrtAllocator* own, void* block) { Pool(own).Free(block); };
    Info = [](const OrtAllocator* own) -> const OrtMemoryInfo* {
      return static_cast<const SharedMemory*>(own)->info_;
    };
  }

 private:
  static BlockPool& Pool(OrtAllocator* own) { return static_cast<SharedMemory*>(own)->pool_; }

  BlockPool pool_;
  Ort::MemoryInfo info_ = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
};

// One environment per process.
Ort::Env& Environment() {
  static Ort::Env* const environment = [] {
    // 1.31.1 writes an identity of the device into the user's cache, for its telemetry. It reads this
    // when the environment is made; DisableTelemetryEvents() afterwards comes too late.
    setenv("ORT_DISABLE_TELEMETRY", "1", 0);
    auto* made =
        new Ort::Env(ORT_LOGGING_LEVEL_FATAL, "stemsmith");  // lives as long as the process
    Ort::ThrowOnError(Ort::GetApi().RegisterAllocator(*made, new SharedMemory));
    return made;
  }();
  return *environment;
}

bool HasCudaProvider() {
  const std::vector<std::string> providers = Ort::GetAvailableProviders();
  return std::find(providers.begin(), providers.end(), kCudaProvider) != providers.end();
}

// Of sessions that run.
void UseSharedMemory(Ort::SessionOptions& session) {
  session.AddConfigEntry("session.use_env_allocators", "1");
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
  // Fading reverb tails are full of denormals, which x86 computes a hundred times slower.
  session.AddConfigEntry("session.set_denormal_as_zero", "1");
  if (device.kind == Device::Kind::kCuda) {
    OrtCUDAProviderOptions cuda{};
    cuda.device_id = device.index;
    session.AppendExecutionProvider_CUDA(cuda);
  } else {
    // From its second run on, a session would hold one block for all values beside those of the
    // pool: half as much memory again, and no time gained.
    session.DisableMemPattern();
  }
  return session;
}

Error LoadError(const Ort::Exception& error, const fs::path& path) {
  return OnnxLoadError(error.what(), error.GetOrtErrorCode() == ORT_INVALID_PROTOBUF, path);
}

class OnnxRuntime : public Runtime {
 public:
  OnnxRuntime(const fs::path& path, Manifest manifest, const OnnxPart& part,
              const std::string& content, const RuntimeOptions& options)
      : path_(path),
        device_(OnnxRuntimeDevice(options.device, path)),
        manifest_(std::move(manifest)),
        stems_(part.stems) {
    if (device_.kind == Device::Kind::kCpu && !content.empty() && IsSmallEnough() &&
        OpenKept(options, content, part))
      return;
    const std::string model = Part(part);
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
    CheckTypes(session_);
    FindNames();
  }

  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::string>& stems() const override { return stems_; }

  std::string description() const override {
    return "ONNX Runtime " + Ort::GetVersionString() + ", " + device_.Name();
  }

  Engine engine() const override { return Engine::kOnnxRuntime; }
  Precision precision() const override {
    return ChoiceNamed<Precision>(manifest_.precision).value_or(Precision::kFloat32);
  }

  void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) override {
    const std::int64_t at_once = manifest_.layout.one_at_a_time ? 1 : batch;
    const auto in_shape = manifest_.layout.Input(at_once, manifest_.channels, frames);
    const auto out_shape = manifest_.layout.Output(at_once, static_cast<std::int64_t>(stems_.size()),
                                                   manifest_.channels, frames);
    const std::size_t in_count = Count(in_shape), out_count = in_count * stems_.size();
    const char* in_name = input_name_.c_str();
    const char* out_name = output_name_.c_str();
    const FlushDenormals flush;
    try {
      const Ort::MemoryInfo memory =
          Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
      for (std::int64_t b = 0; b < batch; b += at_once, mix += in_count, estimates += out_count) {
        // ONNX Runtime takes inputs through a non-const pointer but does not write to them. The
        // result is written where the caller wants it; another shape is refused.
        const Ort::Value in = Ort::Value::CreateTensor<float>(
            memory, const_cast<float*>(mix), in_count, in_shape.data(), in_shape.size());
        Ort::Value out = Ort::Value::CreateTensor<float>(memory, estimates, out_count,
                                                         out_shape.data(), out_shape.size());
        session_.Run(Ort::RunOptions{nullptr}, &in_name, &in, 1, &out_name, &out, 1);
      }
    } catch (const Ort::Exception& error) {
      throw OnnxRunError(error.what(), path_);
    }
  }

 private:
  // The bytes of another model than the file; or none.
  std::string Part(const OnnxPart& part) const {
    return part.of_stems.empty() ? "" : ReadOnnxPart(path_, part);
  }

  Ort::Session Opened(const Ort::SessionOptions& session, const std::string& model) const {
    if (model.empty()) return Ort::Session(Environment(), path_.c_str(), session);
    return Ort::Session(Environment(), model.data(), model.size(), session);
  }

  void Open(const RuntimeOptions& options, const std::string& model) {
    // The session sets the calling thread to this, too, and leaves it so: it is put back.
    const FlushDenormals flush;
    Ort::SessionOptions session = SessionOptionsFor(options, device_);
    UseSharedMemory(session);
    session.AddConfigEntry(kWeightsFolder, fs::absolute(path_).parent_path().c_str());
    session_ = Opened(session, model);
  }

  // Larger ones would push all others out.
  bool IsSmallEnough() const {
    std::error_code ignored;
    std::uint64_t bytes = fs::file_size(path_, ignored);
    if (manifest_.external_data.is_object())
      bytes += manifest_.external_data["bytes"].get<std::uint64_t>();
    return bytes < CompiledCache::kMostBytes / 2;
  }

  // Opens the model as it was optimised before, or else is now. False: that does not work here.
  bool OpenKept(const RuntimeOptions& options, const std::string& content, const OnnxPart& part) {
    const std::string key =
        JoinNames(std::vector<std::string>{content, JoinNames(stems_), "optimized_onnx",
                                           Ort::GetVersionString(), Ort::GetBuildInfoString(),
                                           ThisCpu().model, ThisCpu().flags},
                  "\n");
    const CompiledCache cache(options.cache_folder);
    const FlushDenormals flush;
    auto entry = cache.Find(key);
    if (entry == nullptr) {
      cache.Store(key, [&](const fs::path& file) { Optimize(options, Part(part), file); });
      entry = cache.Find(key);
    }
    if (entry == nullptr) return false;
    try {
      Ort::SessionOptions session = SessionOptionsFor(options, device_);
      UseSharedMemory(session);
      session.SetGraphOptimizationLevel(ORT_DISABLE_ALL);  // once is enough
      session.AddConfigEntry(kWeightsFolder, fs::absolute(options.cache_folder).c_str());
      const std::string_view graph = GraphIn(entry->bytes());
      session_ = Ort::Session(Environment(), graph.data(), graph.size(), session);
      FindNames();
      return true;
    } catch (const Ort::Exception&) {
      cache.Remove(key);
      return false;
    }
  }

  // Writes what OpenKept() opens.
  void Optimize(const RuntimeOptions& options, const std::string& model,
                const fs::path& file) const {
    const fs::path graph = file.parent_path() / "graph.onnx";
    Ort::SessionOptions session = SessionOptionsFor(options, device_);
    session.AddConfigEntry(kWeightsFolder, fs::absolute(path_).parent_path().c_str());
    session.SetOptimizedModelFilePath(graph.c_str());
    session.AddConfigEntry("session.optimized_model_external_initializers_file_name",
                           file.filename().c_str());
    session.AddConfigEntry("session.optimized_model_external_initializers_min_size_in_bytes",
                           "1024");
    session.AddConfigEntry("session.disable_prepacking", "1");
    // It never runs, and such sessions do not look for buffers to use again (AppendGraph).
    session.SetExecutionMode(ORT_PARALLEL);
    session.SetInterOpNumThreads(2);
    try {
      CheckTypes(Opened(session, model));
    } catch (const Ort::Exception& error) {
      throw LoadError(error, path_);
    }
    AppendGraph(graph, file);
  }

  void CheckTypes(const Ort::Session& session) const {
    GraphTypes types;
    for (std::size_t i = 0; i < session.GetInputCount(); ++i)
      types.inputs.push_back(ValueOf(session.GetInputTypeInfo(i)));
    for (std::size_t i = 0; i < session.GetOutputCount(); ++i)
      types.outputs.push_back(ValueOf(session.GetOutputTypeInfo(i)));
    CheckGraph(types, manifest_, stems_.size(), path_);
  }

  void FindNames() {
    Ort::AllocatorWithDefaultOptions allocator;
    input_name_ = session_.GetInputNameAllocated(0, allocator).get();
    output_name_ = session_.GetOutputNameAllocated(0, allocator).get();
  }

  static GraphValue ValueOf(const Ort::TypeInfo& type) {
    if (type.GetONNXType() != ONNX_TYPE_TENSOR) return {};
    const auto tensor = type.GetTensorTypeAndShapeInfo();
    return {tensor.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, tensor.GetShape()};
  }

  const fs::path path_;
  Device device_;  // never kAuto
  Ort::Session session_{nullptr};
  Manifest manifest_;
  const std::vector<std::string> stems_;
  std::string input_name_, output_name_;
};

}  // namespace

Device OnnxRuntimeDevice(const Device& wanted, const fs::path& path) {
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

std::unique_ptr<Runtime> OpenOnnxRuntime(const fs::path& path, Manifest manifest,
                                         OnnxPart part, const std::string& content,
                                         const RuntimeOptions& options) {
  return std::make_unique<OnnxRuntime>(path, std::move(manifest), part, content, options);
}

}  // namespace stemsmith
