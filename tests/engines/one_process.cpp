// one_process FOLDER local|global THREADS NAME…: loads the modules engine_NAME in this order, each
// when its name comes first, and lets it work each time; then all of them at once. Each result is a
// line: the name and its numbers. `global` lets all see each other's symbols, as in a program that
// is linked with them; `local` is as Python loads them.
#include <dlfcn.h>

#include <cstdio>
#include <exception>
#include <map>
#include <stdexcept>
#include <thread>

#include "tests/engines/engine.h"

namespace {

EngineWork* Load(const std::string& name, bool global) {
  const std::string path = std::string(STEMSMITH_ENGINES_DIR "/libengine_") + name + ".so";
  void* module = dlopen(path.c_str(), RTLD_NOW | (global ? RTLD_GLOBAL : RTLD_LOCAL));
  void* symbol = module == nullptr ? nullptr : dlsym(module, kEngineWork);
  if (symbol == nullptr) throw std::runtime_error(dlerror());
  return reinterpret_cast<EngineWork*>(symbol);
}

std::string Line(const std::string& name, const std::vector<float>& results) {
  std::string line = name;
  char number[32];
  for (const float value : results) {
    std::snprintf(number, sizeof number, " %.9g", value);
    line += number;
  }
  return line + "\n";
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 5) throw std::runtime_error("usage: one_process FOLDER local|global THREADS NAME…");
  const std::string folder = argv[1];
  const bool global = argv[2] == std::string("global");
  const int threads = std::stoi(argv[3]);
  std::map<std::string, EngineWork*> engines;
  for (int i = 4; i < argc; ++i) {
    EngineWork*& work = engines[argv[i]];
    if (work == nullptr) work = Load(argv[i], global);
    std::fputs(Line(argv[i], work(folder, threads)).c_str(), stdout);
  }
  std::vector<std::thread> at_once;
  std::map<std::string, std::string> lines;
  for (const auto& [name, work] : engines) {
    at_once.emplace_back([&, name = name, work = work, line = &lines[name]] {
      try {
        for (int i = 0; i < 3; ++i) *line += Line(name, work(folder, threads));
      } catch (const std::exception& error) {
        *line += name + " " + error.what() + "\n";
      }
    });
  }
  for (std::thread& thread : at_once) thread.join();
  for (const auto& [name, text] : lines) std::fputs(text.c_str(), stdout);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
