#include "separate/openvino_runtime.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <vector>

#include "core/cpu.h"
#include "core/error.h"
#include "core/files.h"
#include "core/flush_denormals.h"
#include "core/option.h"
#include "core/text.h"
#include "core/threads.h"
#include "separate/compiled_cache.h"
#include "separate/engine_rule.h"
#include "separate/manifest.h"
#include "separate/onnx_file.h"
#include "separate/openvino_api.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

namespace ov = openvino;

constexpr char kDevice[] = "CPU";

const ov::Api& RequireOpenVino() {
  const ov::Found& found = ov::Find();
  if (found.api == nullptr) throw Error::Usage(found.problem, found.where, found.advice);
  return *found.api;
}

template <typename T>
using Handle = std::unique_ptr<T, void (*)(T*)>;

// What an OpenVINO function makes: `make` gets the place for it.
template <typename T, typename Make>
Handle<T> Made(void (*destroy)(T*), Make make) {
  T* made = nullptr;
  make(&made);
  return {made, destroy};
}

// The sentence of a message that is a stack of places in sources.
std::string Sentence(const std::string& message) {
  std::istringstream lines(message);
  std::string sentence;
  for (std::string line; std::getline(lines, line);) {
    const bool place = Holds(line, "Exception from ") || Holds(line, "Check '") || line.empty();
    if (!place) sentence = line;
  }
  constexpr std::size_t kLongest = 200;
  return sentence.size() <= kLongest && !Holds(sentence, ".cpp:") ? sentence : "";
}

class OpenVinoRuntime : public Runtime {
 public:
  OpenVinoRuntime(const fs::path& path, Manifest manifest, OnnxPart part,
                  const std::string& content, const RuntimeOptions& options)
      : path_(path),
        manifest_(std::move(manifest)),
        part_(std::move(part)),
        api_(RequireOpenVino()),
        precision_(options.precision == Precision::kBfloat16
                       ? Precision::kBfloat16
                       : ChoiceNamed<Precision>(manifest_.precision).value_or(Precision::kFloat32)),
        cache_(content.empty() ? fs::path() : options.cache_folder),
        core_(Made<ov::Core>(api_.core_free, [&](ov::Core** core) {
          const FlushDenormals as_it_is;
          Check(api_.core_create(core), "does not start");
        })) {
    const std::string threads = std::to_string(ComputeThreads(options.threads));
    const std::pair<const char*, std::string> settings[] = {
        // Its default is bfloat16 where the processor has AMX.
        {"INFERENCE_PRECISION_HINT", precision_ == Precision::kBfloat16 ? "bf16" : "f32"},
        {"INFERENCE_NUM_THREADS", threads},
        {"NUM_STREAMS", "1"},
        {"PERFORMANCE_HINT", "LATENCY"},
        {"ENABLE_HYPER_THREADING", "YES"},  // as many threads as were asked for
        {"ENABLE_CPU_PINNING", "NO"},       // processes side by side would share one core
        // Fading reverb tails are full of denormals, which x86 computes a hundred times slower.
        {"CPU_DENORMALS_OPTIMIZATION", "YES"},
    };
    std::string all;
    for (const auto& [key, value] : settings) {
      Check(api_.core_set_property(core_.get(), kDevice, key, value.c_str()),
            "does not take its settings");
      all += std::string(key) + "=" + value + "\n";
    }
    key_ = JoinNames(
        std::vector<std::string>{content, JoinNames(part_.stems), api_.build, ThisCpu().model,
                                 ThisCpu().flags, all},
        "\n");
    if (!cache_.Has(KeyFor({1, manifest_.segment_frames}))) Read();
  }

  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::string>& stems() const override { return part_.stems; }

  std::string description() const override {
    return "OpenVINO " + api_.version + ", cpu" +
           (precision_ == Precision::kBfloat16 ? ", bfloat16" : "");
  }

  Engine engine() const override { return Engine::kOpenVino; }
  Precision precision() const override { return precision_; }

  void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) override {
    const FlushDenormals flush;
    const std::int64_t at_once = manifest_.layout.one_at_a_time ? 1 : batch;
    ov::InferRequest* request = RequestFor({at_once, frames});
    auto in = manifest_.layout.Input(at_once, manifest_.channels, frames);
    auto out = manifest_.layout.Output(at_once, static_cast<std::int64_t>(part_.stems.size()),
                                       manifest_.channels, frames);
    const std::size_t in_count = Count(in), out_count = in_count * part_.stems.size();
    const char* what = "does not run the model";
    for (std::int64_t b = 0; b < batch; b += at_once, mix += in_count, estimates += out_count) {
      // It takes inputs through a non-const pointer but does not write to them. The result is
      // written where the caller wants it; another shape is refused.
      const auto in_tensor = TensorOf(const_cast<float*>(mix), in);
      const auto out_tensor = TensorOf(estimates, out);
      Check(api_.infer_request_set_input_tensor(request, in_tensor.get()), what);
      Check(api_.infer_request_set_output_tensor(request, out_tensor.get()), what);
      Check(api_.infer_request_infer(request), what);
    }
  }

 private:
  struct Size {
    std::int64_t batch, frames;
    bool operator==(const Size&) const = default;
  };
  // A model compiled for one size is up to seven times as fast as one for any, and takes a quarter
  // of the memory. Of a song all segments but the last have one size.
  struct Compiled {
    Size size;
    std::shared_ptr<const CompiledEntry> entry;  // of which the model takes its weights
    Handle<ov::CompiledModel> model;
    Handle<ov::InferRequest> request;
  };
  static constexpr std::size_t kMostCompiled = 2;

  void Check(ov::Status status, const char* what) const {
    if (status == 0) return;
    std::string sentence;
    if (const char* message = api_.get_last_err_msg()) {
      sentence = Sentence(message);
      api_.free(message);
    }
    throw Error::Input(
        std::string("OpenVINO ") + what + (sentence.empty() ? "" : ": " + sentence), path_.string(),
        "use " + Option("engine", NameOf(Engine::kOnnxRuntime)) + ", or export the model again");
  }

  std::string KeyFor(const Size& size) const {
    return key_ + std::to_string(size.batch) + " x " + std::to_string(size.frames);
  }

  void Read() {
    model_ = Made<ov::Model>(api_.model_free, [&](ov::Model** model) {
      const char* what = "does not take the model";
      if (part_.of_stems.empty()) {
        Check(api_.core_read_model(core_.get(), path_.c_str(), nullptr, model), what);
      } else {
        const std::string part = ReadOnnxPart(path_, part_);
        Check(api_.core_read_model_from_memory_buffer(core_.get(), part.data(), part.size(),
                                                      nullptr, model),
              what);
      }
    });
    GraphTypes types;
    std::size_t count = 0;
    Check(api_.model_inputs_size(model_.get(), &count), "");
    for (std::size_t i = 0; i < count; ++i)
      types.inputs.push_back(ValueOf(api_.model_const_input_by_index, i));
    Check(api_.model_outputs_size(model_.get(), &count), "");
    for (std::size_t i = 0; i < count; ++i)
      types.outputs.push_back(ValueOf(api_.model_const_output_by_index, i));
    CheckGraph(types, manifest_, part_.stems.size(), path_);
  }

  GraphValue ValueOf(ov::Status (*port_of)(const ov::Model*, std::size_t, ov::Port**),
                     std::size_t index) const {
    const char* what = "does not say the type of the graph";
    const auto port = Made<ov::Port>(api_.output_const_port_free, [&](ov::Port** made) {
      Check(port_of(model_.get(), index, made), what);
    });
    int type = 0;
    Check(api_.port_get_element_type(port.get(), &type), what);
    ov::PartialShape shape = {};
    Check(api_.port_get_partial_shape(port.get(), &shape), what);
    GraphValue value = {type == ov::kFloat32, {}};
    for (std::int64_t i = 0; shape.rank.least == shape.rank.most && i < shape.rank.least; ++i)
      value.shape.push_back(shape.sizes[i].least == shape.sizes[i].most ? shape.sizes[i].least
                                                                        : -1);
    api_.partial_shape_free(&shape);
    return value;
  }

  Handle<ov::Tensor> TensorOf(float* data, std::vector<std::int64_t>& sizes) const {
    return Made<ov::Tensor>(api_.tensor_free, [&](ov::Tensor** tensor) {
      const auto rank = static_cast<std::int64_t>(sizes.size());
      Check(api_.tensor_create_from_host_ptr(ov::kFloat32, {rank, sizes.data()}, data, tensor),
            "does not take the audio");
    });
  }

  ov::InferRequest* RequestFor(const Size& size) {
    const auto found = std::find_if(compiled_.begin(), compiled_.end(),
                                    [&](const Compiled& one) { return one.size == size; });
    if (found != compiled_.end()) {
      std::rotate(compiled_.begin(), found, found + 1);  // the last used first
    } else {
      // Those of another length hold the values of a whole segment, and are kept in the cache.
      std::erase_if(compiled_, [&](const Compiled& one) { return one.size.frames != size.frames; });
      if (compiled_.size() == kMostCompiled) compiled_.pop_back();
      compiled_.insert(compiled_.begin(), CompiledFor(size));
    }
    return compiled_.front().request.get();
  }

  Compiled CompiledFor(const Size& size) {
    Handle<ov::CompiledModel> model(nullptr, api_.compiled_model_free);
    const std::string key = KeyFor(size);
    std::shared_ptr<const CompiledEntry> entry = cache_.Find(key);
    if (entry != nullptr) {
      ov::CompiledModel* made = nullptr;
      const std::string_view bytes = entry->bytes();
      if (api_.core_import_model(core_.get(), bytes.data(), bytes.size(), kDevice, &made) == 0) {
        model.reset(made);
      } else {
        cache_.Remove(key);
        entry = nullptr;
      }
    }
    if (!model) {
      model = Compile(size);
      cache_.Store(key, [&](const fs::path& file) {
        Check(api_.compiled_model_export_model(model.get(), file.c_str()),
              "does not export the model");
      });
    }
    auto request = Made<ov::InferRequest>(api_.infer_request_free, [&](ov::InferRequest** made) {
      Check(api_.compiled_model_create_infer_request(model.get(), made), "does not start");
    });
    return {size, std::move(entry), std::move(model), std::move(request)};
  }

  Handle<ov::CompiledModel> Compile(const Size& size) {
    if (!model_) Read();
    std::vector<ov::Dimension> sizes;
    for (const std::int64_t one :
         manifest_.layout.Input(size.batch, manifest_.channels, size.frames))
      sizes.push_back({one, one});
    const auto rank = static_cast<std::int64_t>(sizes.size());
    const char* what = "does not compile the model";
    Check(api_.model_reshape_single_input(model_.get(), {{rank, rank}, sizes.data()}), what);
    auto compiled = Made<ov::CompiledModel>(
        api_.compiled_model_free, [&](ov::CompiledModel** made) {
          Check(api_.core_compile_model(core_.get(), model_.get(), kDevice, 0, made), what);
        });
    model_.reset();  // it holds the weights once more
    return compiled;
  }

  const fs::path path_;
  const Manifest manifest_;
  const OnnxPart part_;
  const ov::Api& api_;
  const Precision precision_;
  const CompiledCache cache_;
  const Handle<ov::Core> core_;
  std::string key_;
  Handle<ov::Model> model_{nullptr, nullptr};  // only until it is compiled
  std::vector<Compiled> compiled_;             // the last used first
};

}  // namespace

std::unique_ptr<Runtime> OpenOpenVinoRuntime(const fs::path& path, Manifest manifest,
                                             OnnxPart part, const std::string& content,
                                             const RuntimeOptions& options) {
  return std::make_unique<OpenVinoRuntime>(path, std::move(manifest), std::move(part), content,
                                           options);
}

}  // namespace stemsmith
