// What libav says while it works. Nothing of it reaches the terminal; errors of a decoder or a
// container that it goes on after are evidence of damage.
#pragma once

#include <string>

namespace stemsmith {

struct LibavWords {
  std::string decoder, container;  // the first error of each since the last Take
};

// Turns libav's terminal output off, for all threads, and starts to listen.
void ListenToLibav();
// Errors said on this thread since the last call.
LibavWords TakeLibavWords();

}  // namespace stemsmith
