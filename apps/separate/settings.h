// The settings file of `separate`: options as NAME = VALUE, one on each line, in the place of those
// that the command line does not give.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <string>

#include "core/error.h"

namespace stemsmith {

class Settings {
 public:
  // Adds --settings to `app`, whose file is `standard` otherwise, where that is there. The parse
  // applies the file and throws Error, with file, line and nearest name, for what it cannot use.
  // This must outlive the parse.
  void AddTo(CLI::App& app, const std::filesystem::path& standard);

  // "FILE, line 3", where the file has set the option ("format"); "" where it has not.
  std::string Where(const std::string& option) const;
  // The error, with that place where it is about an option that the file has set.
  Error WithPlace(const Error& error) const;

 private:
  class Reader;
  std::map<std::string, std::string> places_;  // of the options that are set
};

}  // namespace stemsmith
