#include "core/cpu.h"

#include <fstream>
#include <sstream>

namespace stemsmith {

bool Cpu::Has(std::string_view flag) const {
  return flags.find(" " + std::string(flag) + " ") != std::string::npos;
}

Cpu ParseCpuInfo(const std::string& text) {
  Cpu cpu;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && (cpu.model.empty() || cpu.flags.empty());) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string value = colon + 2 < line.size() ? line.substr(colon + 2) : "";
    if (line.starts_with("model name")) cpu.model = value;
    if (line.starts_with("flags") || line.starts_with("Features")) cpu.flags = " " + value + " ";
  }
  return cpu;
}

const Cpu& ThisCpu() {
  static const Cpu* const cpu = [] {
    std::ostringstream text;
    text << std::ifstream("/proc/cpuinfo").rdbuf();
    return new Cpu(ParseCpuInfo(text.str()));
  }();
  return *cpu;
}

}  // namespace stemsmith
