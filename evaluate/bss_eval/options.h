// What BSS eval is asked for.
#pragma once

#include <cstddef>

namespace stemsmith {

struct BssEvalOptions {
  // In frames; 0: one window, the whole song. Of windows that reach beyond the end none is counted.
  std::size_t window = 44100, hop = 44100;
  int filter_length = 512;          // L, in frames
  bool filters_per_window = false;  // version 3
  bool sources = false;             // bss_eval_sources: against the filtered reference; no ISR
  bool permute = false;             // search the order of estimates with the best mean SIR
};

}  // namespace stemsmith
