// What the module libstemsmith_fluidsynth.so gives to fluid.cpp. Private to synth/.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "audio/audio.h"
#include "core/error.h"
#include "core/option.h"
#include "synth/song.h"

namespace stemsmith::synth {

inline std::string SoundFontAdvice() {
  return "install the Debian package timgm6mb-soundfont, or give a General MIDI .sf2 file with " +
         Option("soundfont") + " or STEMSMITH_SOUNDFONT";
}

inline Error NoSoundFont(const std::filesystem::path& path) {
  return Error::Input("this is no sound font that FluidSynth can load", path.string(),
                      SoundFontAdvice());
}

// The symbols `stemsmith_fluidsynth_version`, `stemsmith_load_sound_font` (throws Error where
// FluidSynth cannot) and `stemsmith_render_parts`, which adds nothing to what RenderParts promises:
// `audio` is silent, of two channels, and as long as it is to be.
using FluidSynthVersionFunction = const char*();
using LoadSoundFontFunction = void(const std::filesystem::path& sound_font);
using RenderPartsFunction = void(const std::vector<const Part*>& parts, const StemMix& mix,
                                 double tuning_cents, const std::filesystem::path& sound_font,
                                 AudioBuffer& audio);

}  // namespace stemsmith::synth
