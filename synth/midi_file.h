// Standard MIDI files (format 1) of parts of a song.
#pragma once

#include <string>
#include <vector>

#include "synth/song.h"

namespace stemsmith::synth {

// The bytes of the file: a track with the song's name, tempo and time signature, then a track per
// part with its name, program, controllers and notes; 480 ticks a quarter note. Percussion is on
// channel 10, the others have channels of their own as long as there are any. Thread-safe.
std::string MidiFile(const Song& song, const std::vector<const Part*>& parts);

}  // namespace stemsmith::synth
