// Reads what Python's pickle module wrote, as far as weights need it, and runs nothing of it.
//
// A pickle is a program for a stack machine that may call any function of Python. This machine
// knows tensors, storages, numbers, texts, containers and fractions. A class is a name. Objects
// that training programs leave in their files (configurations, whole models) become inert values
// with a class name, as do calls of a few packages (paths, numbers of numpy); a call of anything
// else is an error. No Python, no torch; thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "models/weights/pickle_value.h"

namespace stemsmith {

// Reads one pickle of protocol 2 to 5 from the start of `bytes`. Throws Error (`where` names the
// file) with the offset of what is wrong.
Pickle ReadPickle(std::string_view bytes, const std::string& where);

}  // namespace stemsmith
