// OpenVINO's C interface, found and loaded when it is first needed: nothing of it is needed to
// build or to start our programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace stemsmith::openvino {

// Its types (openvino/c/*.h of 2025 and 2026): handles, and the few structures that are passed.
struct Core;
struct Model;
struct Port;
struct CompiledModel;
struct InferRequest;
struct Tensor;
struct Shape {
  std::int64_t rank;
  std::int64_t* sizes;
};
struct Dimension {
  std::int64_t least, most;  // most < 0, or not equal: not fixed
};
struct PartialShape {
  Dimension rank;
  Dimension* sizes;
};
struct Version {
  const char* build_number;
  const char* description;
};
using Status = int;                   // 0: fine
inline constexpr int kFloat32 = 4;    // ov_element_type_e of these releases

// Each row is a function `ov_NAME`: its result, NAME, and what it takes.
#define STEMSMITH_OPENVINO_FUNCTIONS(F)                                                         \
  F(Status, get_openvino_version, (Version*))                                                   \
  F(void, version_free, (Version*))                                                             \
  F(const char*, get_last_err_msg, ())                                                          \
  F(void, free, (const char*))                                                                  \
  F(Status, core_create, (Core**))                                                              \
  F(void, core_free, (Core*))                                                                   \
  F(Status, core_set_property, (const Core*, const char* device, ...))                          \
  F(Status, core_get_property, (const Core*, const char* device, const char* key, char** value)) \
  F(Status, core_read_model, (const Core*, const char* path, const char* weights, Model**))     \
  F(Status, core_read_model_from_memory_buffer,                                                 \
    (const Core*, const char* bytes, std::size_t size, const Tensor* weights, Model**))         \
  F(Status, core_compile_model,                                                                 \
    (const Core*, const Model*, const char* device, std::size_t properties, CompiledModel**, ...)) \
  F(Status, core_import_model,                                                                  \
    (const Core*, const char* bytes, std::size_t size, const char* device, CompiledModel**))    \
  F(void, model_free, (Model*))                                                                 \
  F(Status, model_inputs_size, (const Model*, std::size_t*))                                    \
  F(Status, model_outputs_size, (const Model*, std::size_t*))                                   \
  F(Status, model_const_input_by_index, (const Model*, std::size_t, Port**))                    \
  F(Status, model_const_output_by_index, (const Model*, std::size_t, Port**))                   \
  F(Status, model_reshape_single_input, (const Model*, PartialShape))                           \
  F(void, output_const_port_free, (Port*))                                                      \
  F(Status, port_get_partial_shape, (const Port*, PartialShape*))                               \
  F(void, partial_shape_free, (PartialShape*))                                                  \
  F(Status, port_get_element_type, (const Port*, int*))                                         \
  F(Status, compiled_model_export_model, (const CompiledModel*, const char* path))              \
  F(Status, compiled_model_create_infer_request, (const CompiledModel*, InferRequest**))        \
  F(Status, compiled_model_get_property, (const CompiledModel*, const char* key, char** value)) \
  F(void, compiled_model_free, (CompiledModel*))                                                \
  F(Status, infer_request_set_input_tensor, (InferRequest*, const Tensor*))                     \
  F(Status, infer_request_set_output_tensor, (InferRequest*, const Tensor*))                    \
  F(Status, infer_request_infer, (InferRequest*))                                               \
  F(void, infer_request_free, (InferRequest*))                                                  \
  F(Status, tensor_create_from_host_ptr, (int type, Shape, void* data, Tensor**))               \
  F(void, tensor_free, (Tensor*))

struct Api {
#define STEMSMITH_MEMBER(Result, name, arguments) Result(*name) arguments = nullptr;
  STEMSMITH_OPENVINO_FUNCTIONS(STEMSMITH_MEMBER)
#undef STEMSMITH_MEMBER
  std::string version, build;  // "2026.4.1", "2026.4.1-22982-…"
  std::filesystem::path file;  // of the library, as it was found
};

// The releases that stemsmith is tested with, newest first. The number is that of the library's
// name: libopenvino_c.so.2641.
struct Release {
  const char* version;
  const char* number;
};
inline constexpr Release kReleases[] = {{"2026.4.1", "2641"}, {"2026.2.1", "2621"}};

struct Found {
  const Api* api = nullptr;
  std::string problem;  // where there is none: what is wrong, where and what to do
  std::string where, advice;
};

// The library of the newest release in the first of these places that has one: the folder
// STEMSMITH_OPENVINO_DIR, `openvino` in the folder of our modules, those that the loader knows.
// Looked for once, and never unloaded. Thread-safe.
const Found& Find();

// The same in the folder alone, or where it is empty, in those of the loader; for Find and tests.
Found FindIn(const std::filesystem::path& folder);

}  // namespace stemsmith::openvino
