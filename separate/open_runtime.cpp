// Runtime::Open, which stands above the runtimes that it chooses from.
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <vector>

#include "core/checksum.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "core/host.h"
#include "core/module.h"
#include "core/threads.h"
#include "separate/manifest.h"
#include "separate/onnx_runtime.h"
#include "separate/runtime.h"
#include "separate/torchscript_module.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr char kDamagedAdvice[] = "copy or export it again";
constexpr char kAdvice[] = "give a model.ts or model.onnx written by `stemsmith export`";

// The beginning of the file: enough to tell an archive from text from everything else.
std::string ReadHead(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    throw Error::Input("the model file does not exist", path.string(), "check the path");
  }
  if (fs::is_directory(status)) {
    throw Error::Input(
        "a folder without model.onnx or model.ts", path.string(),
        "make them of a run or a checkpoint: stemsmith export " + path.string() + " --out DIR");
  }
  CheckIsFile(path);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error::System("cannot open the model file", path.string(), "check its permissions");
  std::string head(512, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(in.gcount()));
  if (head.empty()) throw Error::Input("the model file is empty", path.string(), kAdvice);
  return head;
}

std::unique_ptr<Runtime> OpenTorchScript(const fs::path& path, const RuntimeOptions& options) {
  void* symbol = LoadModuleSymbol("torchscript", kOpenTorchScriptSymbol, "a TorchScript model");
  return reinterpret_cast<OpenTorchScriptFunction*>(symbol)(path, options);
}

}  // namespace

fs::path ResolveModel(const fs::path& folder_or_file, const Device& device) {
  std::vector<const char*> names = {"model.onnx", "model.ts"};
  if (device.kind == Device::Kind::kCuda) std::swap(names[0], names[1]);
  std::error_code code;
  for (const char* name : names)
    if (fs::is_regular_file(folder_or_file / name, code)) return folder_or_file / name;
  return folder_or_file;
}

std::unique_ptr<Runtime> Runtime::Open(const fs::path& given, const RuntimeOptions& options) {
  ComputeThreads(options.threads);  // refuses what makes no sense
  const fs::path path = ResolveModel(given, options.device);
  CheckContent(path, FileUse::kSeparateModel);
  const std::string head = ReadHead(path);
  const bool archive = head.starts_with("PK\x03\x04");
  // Before anything is made of the content.
  const ChecksumState checksum =
      CheckChecksum(path, archive ? kTorchScriptChecksum : kOnnxChecksum, kDamagedAdvice);
  std::unique_ptr<Runtime> runtime =
      archive ? OpenTorchScript(path, options) : OpenOnnxRuntime(path, options);
  // It has a manifest, so it is one of ours.
  if (checksum == ChecksumState::kNone)
    Tell(options.warn, NoteOnNoChecksum(path, "export the model again"));
  return runtime;
}

}  // namespace stemsmith
