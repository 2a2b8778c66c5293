// Other libraries' exceptions and messages as errors in our words: what went wrong and what to do,
// in one line, without their types, paths and backtraces.
#pragma once

#include <string>
#include <system_error>

#include "core/error.h"

namespace stemsmith {

// The exception being handled, whatever its type; an Error is given as it is. For the places where
// nothing may get past: programs, threads, ranks. Only within a catch block. `where` names what was
// being worked on where the exception does not.
Error CurrentError(const std::string& where = "");

// As Error::System, with the reason in `code`.
Error SystemError(const std::error_code& code, std::string what, std::string where,
                  std::string advice = "");

// Of a message of LibTorch or of a library below it (what(), backtrace and all): out of memory
// where that is what it says, else "WHAT: " and what a person can read of it, which is less than a
// line.
Error LibTorchError(const std::string& what, const std::string& message, const std::string& where,
                    const std::string& advice = "");

}  // namespace stemsmith
