// Which CPU this is, as Linux says it.
#pragma once

#include <string>
#include <string_view>

namespace stemsmith {

struct Cpu {
  std::string model;  // "Intel(R) Xeon(R) Platinum 8488C"
  std::string flags;  // " fpu … avx2 avx512f avx512_bf16 amx_bf16 "; of the first processor
  bool Has(std::string_view flag) const;
};

// Of the text of /proc/cpuinfo.
Cpu ParseCpuInfo(const std::string& text);
// Of this machine; read once. Thread-safe.
const Cpu& ThisCpu();

}  // namespace stemsmith
