#include "core/module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include "core/error.h"
#include "core/files.h"

namespace stemsmith {

void* LoadModuleSymbol(const std::string& name, const std::string& symbol,
                       const std::string& purpose) {
  static std::mutex mutex;
  static std::map<std::string, void*>
      loaded;  // for the life of the process: modules hold threads and statics
  const std::lock_guard lock(mutex);
  void*& handle = loaded[name];
  const char* folder_setting = std::getenv("STEMSMITH_MODULE_DIR");
  const std::filesystem::path folder = folder_setting != nullptr
                                           ? std::filesystem::path(folder_setting)
                                           : ProgramFolder().parent_path() / "lib";
  const std::filesystem::path path = folder / ("libstemsmith_" + name + ".so");
  if (handle == nullptr) {
    if (!std::filesystem::exists(path)) {
      throw Error::Input(purpose + " needs the module " + path.filename().string() +
                             ", which this installation lacks",
                         folder.string(), "build it, or set STEMSMITH_MODULE_DIR to its folder");
    }
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      throw Error::Input(purpose + " needs a module that does not load: " + dlerror(),
                         path.string(), "are the libraries it was built with still installed?");
    }
  }
  void* address = dlsym(handle, symbol.c_str());
  if (address == nullptr) {
    throw Error::Input("the module lacks " + symbol, path.string(),
                       "it belongs to another version; build all programs anew");
  }
  return address;
}

}  // namespace stemsmith
