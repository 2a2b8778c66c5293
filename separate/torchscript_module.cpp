// TorchScript models through LibTorch: built as a module, loaded when a .ts file is opened.
#include "separate/torchscript_module.h"

#include <ATen/Parallel.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/codegen/fuser/interface.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/graph_rewrite_helper.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>
#include <torch/torch.h>
#include <torch/version.h>
#include <zip.h>

#include <algorithm>
#include <cstring>

#include "core/checksum.h"
#include "core/current_error.h"
#include "core/error.h"
#include "core/flush_denormals.h"
#include "core/threads.h"
#include "separate/held_settings.h"
#include "separate/manifest.h"
#include "separate/torch_device.h"
#include "separate/wanted_stems.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

// Compares the checksum of each entry of the archive, which LibTorch's reader does not look at.
// Python can be told to write none: then all are zero.
void CheckEntries(const fs::path& path) {
  const std::unique_ptr<zip_t, decltype(&zip_discard)> archive(
      zip_open(path.c_str(), ZIP_RDONLY, nullptr), zip_discard);
  const auto damaged = [&] {
    return Error::Input("an entry of the archive does not match its checksum", path.string(),
                        "copy or export it again");
  };
  if (!archive) return;  // cut off: LibTorch says so
  bool has_checksums = false;
  const auto count = static_cast<zip_uint64_t>(zip_get_num_entries(archive.get(), 0));
  for (zip_uint64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(archive.get(), i, 0, &stat) != 0) throw damaged();
    has_checksums |= stat.crc != 0;
  }
  std::vector<char> buffer(1 << 20);
  for (zip_uint64_t i = 0; i < count && has_checksums; ++i) {
    const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> entry(
        zip_fopen_index(archive.get(), i, 0), zip_fclose);
    zip_int64_t got = entry ? 1 : -1;
    while (got > 0) got = zip_fread(entry.get(), buffer.data(), buffer.size());
    if (got < 0) throw damaged();
  }
}

// The same results on every call: no profiling runs, no fusion.
struct ExecutorSettings {
  bool profiling = false, executor = false, fuse_on_cpu = false, fuse_on_gpu = false;

  static ExecutorSettings Now() {
    return {torch::jit::getProfilingMode(), torch::jit::getExecutorMode(),
            torch::jit::canFuseOnCPU(), torch::jit::canFuseOnGPU()};
  }
  void Set() const {
    torch::jit::getProfilingMode() = profiling;
    torch::jit::getExecutorMode() = executor;
    torch::jit::overrideCanFuseOnCPU(fuse_on_cpu);
    torch::jit::overrideCanFuseOnGPU(fuse_on_gpu);
  }
};

// And the calling thread's number of compute threads, while it lives.
class LibTorchSettings {
 public:
  explicit LibTorchSettings(int threads) : threads_before_(at::get_num_threads()) {
    if (threads_before_ != threads) at::set_num_threads(threads);
  }
  ~LibTorchSettings() {
    if (at::get_num_threads() != threads_before_) at::set_num_threads(threads_before_);
  }
  LibTorchSettings(const LibTorchSettings&) = delete;
  LibTorchSettings& operator=(const LibTorchSettings&) = delete;

 private:
  const int threads_before_;
  const HeldSettings<ExecutorSettings> executor_;
};

class TorchScriptRuntime : public Runtime {
 public:
  TorchScriptRuntime(const fs::path& path, const RuntimeOptions& options)
      : path_(path),
        threads_(ComputeThreads(options.threads)),
        device_(TorchDevice(options.device)) {
    const LibTorchSettings settings(threads_);
    if (!HoldsChecksum(path, kTorchScriptChecksum)) CheckEntries(path);
    manifest_ = Manifest::FromJson(ReadManifest(), path.string());
    const c10::InferenceMode inference;
    try {
      module_ = torch::jit::load(path.string(), device_);
      module_.eval();
    } catch (const std::exception& error) {
      throw LibTorchError("LibTorch cannot load the model", error.what(), path.string(),
                          "copy or export it again");
    }
    if (!module_.find_method("forward")) {
      throw Error::Input("the TorchScript model has no forward()", path.string(),
                         "export the model again");
    }
    // Convolutions in files of stemsmith 0.1 carry settings of cuDNN, with TF32 allowed.
    std::shared_ptr<torch::jit::Graph> graph = module_.get_method("forward").graph();
    torch::jit::graph_rewrite_helper::replaceConvolutionWithAtenConv(graph);
    try {
      module_ = torch::jit::freeze(module_);  // constants folded: some per cent faster
    } catch (const std::exception&) {
      // Not every graph can be frozen; it runs as it is.
    }
    const std::vector<std::size_t> wanted = WantedStems(options, manifest_.stems);
    if (wanted.size() < manifest_.stems.size() && KeepStems(wanted))
      for (const std::size_t stem : wanted) stems_.push_back(manifest_.stems[stem]);
  }

  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::string>& stems() const override {
    return stems_.empty() ? manifest_.stems : stems_;
  }

  std::string description() const override {
    return std::string("LibTorch ") + TORCH_VERSION + ", " + device_.str();
  }

  Engine engine() const override { return Engine::kTorchScript; }

  int segments_at_once() const override { return device_.is_cuda() ? kSegmentsOnGpu : 1; }

  void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) override {
    const std::int64_t count = static_cast<std::int64_t>(stems().size());
    const std::int64_t channels = manifest_.channels;
    const LibTorchSettings settings(threads_);
    const c10::InferenceMode inference;
    const ExactFloat32 exact;
    const FlushDenormals flush;
    try {
      // The graph may not write to its input, so a view of the caller's memory is safe.
      torch::Tensor in =
          torch::from_blob(const_cast<float*>(mix), {batch, channels, frames}, torch::kFloat32)
              .to(device_);
      const torch::jit::IValue result = module_.forward({in});
      if (!result.isTensor()) throw std::runtime_error("it does not return a tensor");
      const torch::Tensor out = result.toTensor();
      const std::vector<std::int64_t> shape = {batch, count, channels, frames};
      if (out.sizes() != at::IntArrayRef(shape)) {
        throw std::runtime_error("it returns " + torch::str(out.sizes()) + " instead of " +
                                 torch::str(at::IntArrayRef(shape)));
      }
      torch::from_blob(estimates, shape, torch::kFloat32).copy_(out);
    } catch (const std::exception& error) {
      throw LibTorchError("the model fails", error.what(), path_.string(),
                          "copy or export it again");
    }
  }

 private:
  // Leaves these stems where the graph ends with stacking one tensor per stem; else false.
  bool KeepStems(const std::vector<std::size_t>& wanted) {
    const std::shared_ptr<torch::jit::Graph> graph = module_.get_method("forward").graph();
    if (graph->outputs().size() != 1) return false;
    torch::jit::Node* const join = graph->outputs()[0]->node();
    if (join->kind() != at::aten::stack ||
        join->inputs()[0]->node()->kind() != torch::jit::prim::ListConstruct ||
        join->inputs()[0]->node()->inputs().size() != manifest_.stems.size() ||
        torch::jit::toIValue(join->inputs()[1]) != c10::IValue(1))
      return false;
    torch::jit::Node* const list = join->inputs()[0]->node();
    for (std::size_t s = list->inputs().size(); s-- > 0;)
      if (std::find(wanted.begin(), wanted.end(), s) == wanted.end()) list->removeInput(s);
    torch::jit::EliminateDeadCode(graph);
    return true;
  }

  // Records may be compressed, as LibTorch does with code; a small file could stand for any amount
  // of zeros.
  void CheckSizes(caffe2::serialize::PyTorchStreamReader& archive) const {
    constexpr std::uint64_t kCode = std::uint64_t{64} << 20;
    std::error_code error;
    const std::uint64_t most = 2 * fs::file_size(path_, error) + kCode;
    std::uint64_t all = 0;
    for (const std::string& record : archive.getAllRecords()) {
      const std::uint64_t size = archive.getRecordSize(record);
      if (error || size > most || (all += size) > most) {
        throw Error::Input("the file claims to hold far more than its size", path_.string(),
                           "copy or export it again");
      }
    }
  }

  // Looked up before the model is built: an archive that is cut off or something else than an
  // exported model gets a message of its own.
  std::string ReadManifest() {
    try {
      caffe2::serialize::PyTorchStreamReader archive(path_.string());
      const std::string record = std::string("extra/") + kManifestExtraFile;
      if (!archive.hasRecord("constants.pkl")) {
        throw Error::Input("this archive is no TorchScript model", path_.string(),
                           "a checkpoint must be exported first: `stemsmith export`");
      }
      if (!archive.hasRecord(record)) {
        throw Error::Input("the TorchScript model carries no stemsmith manifest", path_.string(),
                           "give a model.ts written by `stemsmith export`");
      }
      CheckSizes(archive);
      const auto [bytes, size] = archive.getRecord(record);
      return {static_cast<const char*>(bytes.get()), size};
    } catch (const Error&) {
      throw;
    } catch (const std::exception&) {
      throw Error::Input("the file is cut off, damaged, or no TorchScript model", path_.string(),
                         "copy or export it again");
    }
  }

  const fs::path path_;
  const int threads_;
  const torch::Device device_;
  torch::jit::Module module_;
  Manifest manifest_;
  std::vector<std::string> stems_;  // where they are not all
};

}  // namespace

extern "C" __attribute__((visibility("default"))) std::unique_ptr<Runtime>
stemsmith_open_torchscript(const fs::path& path, const RuntimeOptions& options) {
  try {
    return std::make_unique<TorchScriptRuntime>(path, options);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {  // no type of LibTorch's leaves the module
    throw LibTorchError("LibTorch fails", error.what(), path.string());
  }
}

}  // namespace stemsmith
