// stemsmith inspect: what a file of ours holds. One row per kind of file.
#include <fstream>

#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/inspect.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "core/text.h"
#include "separate/runtime.h"

namespace stemsmith {
namespace {

std::string FirstBytes(const std::filesystem::path& path, std::size_t count) {
  if (KindOfFile(path) != "folder") CheckIsFile(path);
  std::ifstream stream(path, std::ios::binary);
  std::string bytes(count, '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  return bytes;
}

bool IsCache(const std::filesystem::path& path) {
  return FirstBytes(path, 8) == "\x89HDF\r\n\x1a\n";
}

// A folder is a run's or an import's where it is not an export's alone.
bool IsCheckpoint(const std::filesystem::path& path) {
  return path.extension() == ".safetensors" ||
         (std::filesystem::is_directory(path) &&
          (ResolveModel(path) == path || std::filesystem::exists(path / "checkpoints")));
}

// By content, or by the usual name: the runtimes say what is wrong with others.
bool IsModel(const std::filesystem::path& path) {
  const std::filesystem::path file = ResolveModel(path);
  return ContentOf(file) == FileContent::kOnnx || FirstBytes(file, 2) == "PK" || file.extension() == ".onnx" || file.extension() == ".ts";
}

// Asked in this order; the first that recognises the file shows it.
struct Inspector {
  const char* kind;
  bool (*recognises)(const std::filesystem::path& path);
  void (*show)(const InspectArguments& arguments);
};
constexpr Inspector kInspectors[] = {
    {"caches", IsCache, InspectCache},
    {"checkpoints and run folders", IsCheckpoint, InspectCheckpoint},
    {"exported models (.ts, .onnx)", IsModel, InspectModel},
};

void Run(const InspectArguments& arguments) {
  std::error_code ignored;
  if (!std::filesystem::exists(arguments.file, ignored)) {
    throw Error::Input("no such file", arguments.file.string(), "check the path");
  }
  CheckContent(arguments.file, FileUse::kInspectFile);
  for (const Inspector& inspector : kInspectors) {
    if (inspector.recognises(arguments.file)) return inspector.show(arguments);
  }
  throw Error::Input("not a file that stemsmith knows", arguments.file.string(),
                     "it shows " + JoinNames(kInspectors, ", ", &Inspector::kind));
}

}  // namespace

void AddInspectCommand(CLI::App& app) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = app.add_subcommand("inspect", "Show what a file of stemsmith holds");
  command
      ->add_option("FILE", arguments->file,
                   "A cache (.h5), checkpoint (.safetensors), model (.ts, .onnx), or the folder of "
                   "a run, an import or an export")
      ->required();
  command->add_flag("--songs", arguments->songs, "Cache: a line per song, with its levels");
  command
      ->add_option("--manifest", arguments->manifest,
                   "Model of another program: the JSON file that describes it")
      ->type_name("FILE");
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] { Run(*arguments); });
}

}  // namespace stemsmith
