// FluidSynth behind a narrow door: parts in, stereo audio out. A new synthesizer per call, fixed
// settings and no threads of its own, so the same parts give the same bytes. FluidSynth is in the
// module libstemsmith_fluidsynth.so; where that does not load, all but FindSoundFont throw Error
// naming what to install.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "audio/audio.h"
#include "synth/song.h"

namespace stemsmith::synth {

// "2.3.1": bytes may differ between versions.
std::string FluidSynthVersion();

// `given` where not empty, else STEMSMITH_SOUNDFONT, else TimGM6mb from where Debian puts it.
// Throws Error naming the package when there is none.
std::filesystem::path FindSoundFont(const std::filesystem::path& given);

// Throws Error when FluidSynth cannot load the file. Call once before the first RenderParts:
// FluidSynth's own start-up is not thread-safe.
void CheckSoundFont(const std::filesystem::path& sound_font);

// Renders instruments of one stem together: [2, frames]. At most 15 melodic parts and any number of
// percussion parts. Thread-safe.
AudioBuffer RenderParts(const std::vector<const Part*>& parts, const StemMix& mix,
                        double tuning_cents, std::size_t frames,
                        const std::filesystem::path& sound_font);

}  // namespace stemsmith::synth
