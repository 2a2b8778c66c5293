// The names of General MIDI programs, counted from 0, and of the instrument classes that SLAKH
// sorts them into. Program 128 stands for drums, as in SLAKH's metadata.
#pragma once

#include <string>

namespace stemsmith::synth {

inline constexpr int kDrumProgram = 128;

const char* ProgramName(int program);      // "Acoustic Grand Piano"; program 0 … 128
const char* InstrumentClass(int program);  // "Piano"
// "Lead 6 (voice)" → "lead_6_voice": fit for file names.
std::string SnakeCase(const std::string& name);

}  // namespace stemsmith::synth
