// The doctor's result for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "datasets/doctor/doctor.h"

namespace stemsmith {

// A line per kind of finding with the first of them and their number, or where `all` is set a line
// per finding; the audio of the targets, and a last line with the verdict.
std::string DoctorText(const DoctorOptions& options, const DoctorResult& result, bool all);
// Everything, always. docs/doctor.md describes the fields.
nlohmann::json DoctorJson(const DoctorOptions& options, const DoctorResult& result);

}  // namespace stemsmith
