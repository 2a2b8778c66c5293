// The doctor's result for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "datasets/doctor/doctor.h"

namespace stemsmith {

// Remarks of one kind that DoctorText shows before it only counts them.
inline constexpr std::size_t kRemarksShown = 5;

// A line per finding (all errors; of the remarks `all`, or the first of each kind), the audio of
// the targets, and a last line with the verdict.
std::string DoctorText(const DoctorOptions& options, const DoctorResult& result, bool all);
// Everything, always. docs/doctor.md describes the fields.
nlohmann::json DoctorJson(const DoctorOptions& options, const DoctorResult& result);

}  // namespace stemsmith
