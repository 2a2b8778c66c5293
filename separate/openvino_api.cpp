#include "separate/openvino_api.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "core/module.h"
#include "core/text.h"

namespace stemsmith::openvino {
namespace fs = std::filesystem;
namespace {

constexpr char kName[] = "libopenvino_c.so.";

std::string Tested() {
  return JoinNames(kReleases, " and ", [](const Release& release) { return release.version; });
}

std::string HowToGet() {
  return "install it: pip install --no-deps --target DIR openvino==" +
         std::string(kReleases[0].version) +
         ", and set STEMSMITH_OPENVINO_DIR=DIR/openvino/libs; in a source tree: "
         "STEMSMITH_OPENVINO=1 tools/setup.sh";
}

// Gives the name of the first function that is missing.
std::string Fill(void* library, Api& api) {
#define STEMSMITH_LOAD(Result, name, arguments)                                   \
  api.name = reinterpret_cast<decltype(api.name)>(dlsym(library, "ov_" #name));   \
  if (api.name == nullptr) return "ov_" #name;
  STEMSMITH_OPENVINO_FUNCTIONS(STEMSMITH_LOAD)
#undef STEMSMITH_LOAD
  return "";
}

// "libopenvino_c.so.2643": those in the folder, none of which we know.
std::string OtherReleases(const fs::path& folder) {
  std::string others;
  std::error_code code;
  for (auto entry = fs::directory_iterator(folder, code); !code && entry != fs::end(entry);
       entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(kName)) others += (others.empty() ? "" : ", ") + name;
  }
  return others;
}

Found Load(const std::string& file) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return {nullptr, "OpenVINO does not load: " + std::string(dlerror()), file, HowToGet()};
  auto* api = new Api;  // lives as long as the process: the library holds threads
  api->file = file;
  if (const std::string missing = Fill(library, *api); !missing.empty()) {
    delete api;
    return {nullptr, "this OpenVINO lacks " + missing, file, "tested are " + Tested()};
  }
  Version version = {};
  if (api->get_openvino_version(&version) == 0 && version.build_number != nullptr) {
    api->build = version.build_number;
    api->version = api->build.substr(0, api->build.find('-'));
    api->version_free(&version);
  }
  return {api, "", "", ""};
}

}  // namespace

Found FindIn(const fs::path& folder) {
  std::error_code code;
  for (const Release& release : kReleases) {
    const std::string name = kName + std::string(release.number);
    if (!folder.empty()) {
      if (fs::exists(folder / name, code)) return Load((folder / name).string());
    } else if (Found found = Load(name); found.api != nullptr) {
      return found;
    }
  }
  const std::string others = folder.empty() ? "" : OtherReleases(folder);
  if (!others.empty())
    return {nullptr, "OpenVINO is there in a release that stemsmith does not know (" + others + ")",
            folder.string(), "tested are " + Tested() + "; " + HowToGet()};
  return {nullptr, "OpenVINO is not installed", folder.string(), HowToGet()};
}

const Found& Find() {
  static const Found* const found = [] {
    const char* chosen = std::getenv("STEMSMITH_OPENVINO_DIR");
    if (chosen != nullptr && *chosen != '\0') return new Found(FindIn(chosen));
    std::error_code code;
    const fs::path beside = ModuleFolder() / "openvino";
    if (fs::is_directory(beside, code)) return new Found(FindIn(beside));
    return new Found(FindIn({}));
  }();
  return *found;
}

}  // namespace stemsmith::openvino
