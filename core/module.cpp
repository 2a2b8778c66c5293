#include "core/module.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>

#include "core/error.h"
#include "core/files.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

// The file that this code is in; empty where that is the program itself.
fs::path OwnLibrary() {
  Dl_info info;
  link_map* map = nullptr;
  if (dladdr1(reinterpret_cast<void*>(&OwnLibrary), &info, reinterpret_cast<void**>(&map),
              RTLD_DL_LINKMAP) == 0 ||
      map == nullptr)
    return {};
  std::error_code ignored;
  return map->l_name[0] == '\0' ? fs::path() : fs::weakly_canonical(map->l_name, ignored);
}

// Asked for when the library is loaded: a relative name means nothing after a change of folder.
const fs::path& LoadedFrom() {
  static const fs::path* const path = new fs::path(OwnLibrary());
  return *path;
}
[[gnu::constructor]] void RememberLoadedFrom() { LoadedFrom(); }

// What to do where the loader ended with `problem`. A library that lacks has its Debian package
// named by its own name and number, as Debian does: libavformat.so.59 is in libavformat59.
std::string AdviceFor(const std::string& module, const std::string& problem) {
  constexpr std::string_view kLacks = ": cannot open shared object file", kEnding = ".so.";
  const std::size_t end = problem.find(kLacks), dot = problem.find(kEnding);
  if (end == std::string::npos || dot == std::string::npos || dot > end)
    return "are the libraries it was built with still installed?";
  const std::size_t number = dot + kEnding.size();
  return std::string(module == "libav" ? "convert it to wav or flac, or " : "") +
         "install that library (on the Debian this was built for: apt install " +
         problem.substr(0, dot) + problem.substr(number, end - number) + ")";
}

// What to do where a module is left out.
std::string AdviceWithout(const std::string& module) {
  const std::string build = "build it, or set STEMSMITH_MODULE_DIR to its folder";
  if (module == "libav") return "convert it to wav or flac, " + build;
  if (module == "torchscript") return "give the .onnx file of the same model, " + build;
  return build;
}

}  // namespace

fs::path ModuleFolder() {
  if (const char* folder = std::getenv("STEMSMITH_MODULE_DIR")) return folder;
  const fs::path& library = LoadedFrom();
  return library.empty() ? ProgramFolder().parent_path() / "lib" : library.parent_path();
}

void* LoadModuleSymbol(const std::string& name, const std::string& symbol,
                       const std::string& purpose) {
  static std::mutex mutex;
  static std::map<std::string, void*>
      loaded;  // for the life of the process: modules hold threads and statics
  const std::lock_guard lock(mutex);
  void*& handle = loaded[name];
  const fs::path folder = ModuleFolder();
  const fs::path path = folder / ("libstemsmith_" + name + ".so");
  if (handle == nullptr) {
    if (!fs::exists(path)) {
      throw Error::Input(purpose + " needs the module " + path.filename().string() +
                             ", which this installation lacks",
                         folder.string(), AdviceWithout(name));
    }
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const std::string problem = dlerror();
      throw Error::Input(purpose + " needs a module that does not load: " + problem, path.string(),
                         AdviceFor(name, problem));
    }
  }
  void* address = dlsym(handle, symbol.c_str());
  if (address == nullptr) {
    throw Error::Input("the module lacks " + symbol, path.string(),
                       "it belongs to another version; build all programs again");
  }
  return address;
}

}  // namespace stemsmith
