// The one exception of stemsmith: what is wrong, where, and what to do about it.
//
// Programs print `error: WHAT (WHERE); ADVICE` on one line and exit with the code. what() is that
// line without `error: `, with options by their names: "overlap". Thrown for bad input and bad
// surroundings only; programmer errors are asserts.
#pragma once

#include <stdexcept>
#include <string>

#include "core/visibility.h"

namespace stemsmith {

enum class ExitCode : int {
  kOk = 0,
  kInputFailed = 1,    // some input could not be used
  kWrongUse = 2,       // command line or configuration
  kHungUp = 129,       // SIGHUP: the terminal or the connection is gone; state saved
  kInterrupted = 130,  // Ctrl-C, state saved
  kPipeClosed = 141,   // SIGPIPE: nobody reads the output any more; state saved
  kTerminated = 143,   // SIGTERM, state saved
};

class STEMSMITH_PUBLIC Error : public std::runtime_error {
 public:
  // `what` says what is wrong; `where` names the file, line, key or track; `advice` says what to
  // do. The last two may be empty. No trailing full stops.
  Error(ExitCode code, std::string what, std::string where, std::string advice);

  // An input (audio, cache, model, disk) cannot be used: exit code 1.
  static Error Input(std::string what, std::string where, std::string advice = "");
  // The command line or a configuration is wrong: exit code 2.
  static Error Usage(std::string what, std::string where, std::string advice = "");
  // As Input, with the system's reason for the last failed call (errno) added to `what`.
  static Error System(std::string what, std::string where, std::string advice = "");
  // As System, of what could not be written; the advice is that for the reason.
  static Error Write(std::string what, std::string where);
  // Work that a signal has stopped: exit code 128 + signal.
  static Error Stopped(int signal, std::string what, std::string advice = "");

  ExitCode code() const { return code_; }
  bool stopped_by_signal() const { return exit_status() > 128; }
  int exit_status() const { return static_cast<int>(code_); }
  // The line of what(), in which options are marked: programs show them as flags (core/option.h).
  const std::string& text() const { return text_; }
  // Its parts, marked too.
  const std::string& problem() const { return what_; }
  const std::string& where() const { return where_; }
  // The name of the option that is wrong ("overlap", core/option.h), where one is.
  std::string option() const;
  const std::string& advice() const { return advice_; }

 private:
  ExitCode code_;
  std::string what_, where_, advice_, text_;
};

}  // namespace stemsmith
