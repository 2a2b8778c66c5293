#include "synth/fluid.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>

#include "core/error.h"
#include "core/files.h"
#include "core/module.h"
#include "synth/fluid_module.h"

namespace stemsmith::synth {
namespace {
namespace fs = std::filesystem;

template <typename Function>
Function* Load(const char* symbol) {
  return reinterpret_cast<Function*>(LoadModuleSymbol("fluidsynth", symbol, "making demo songs"));
}

}  // namespace

std::string FluidSynthVersion() {
  return Load<FluidSynthVersionFunction>("stemsmith_fluidsynth_version")();
}

fs::path FindSoundFont(const fs::path& given) {
  fs::path wanted = given;
  if (wanted.empty()) {
    if (const char* from_environment = std::getenv("STEMSMITH_SOUNDFONT"))
      wanted = from_environment;
  }
  std::error_code ignored;
  if (!wanted.empty()) {
    CheckIsFile(wanted);
    if (!fs::is_regular_file(wanted, ignored))
      throw Error::Input("no sound font here", wanted.string(), SoundFontAdvice());
    return wanted;
  }
  for (const char* path :
       {"/usr/share/sounds/sf2/TimGM6mb.sf2", "/usr/share/soundfonts/TimGM6mb.sf2",
        "/usr/share/sounds/sf2/default-GM.sf2", "/usr/share/soundfonts/default.sf2"}) {
    if (fs::is_regular_file(path, ignored)) return path;
  }
  throw Error::Input("no sound font", "/usr/share/sounds/sf2/TimGM6mb.sf2", SoundFontAdvice());
}

void CheckSoundFont(const fs::path& sound_font) {
  // RIFF, size, sfbk: looked at here first, because the loaders behind FluidSynth complain on
  // standard error about files that are something else or cut short.
  std::ifstream in(sound_font, std::ios::binary);
  unsigned char header[12] = {};
  in.read(reinterpret_cast<char*>(header), sizeof header);
  std::uintmax_t claimed = 8;
  for (int i = 0; i < 4; ++i) claimed += static_cast<std::uintmax_t>(header[4 + i]) << (8 * i);
  std::error_code error;
  const std::uintmax_t size = fs::file_size(sound_font, error);
  if (!in || error || std::memcmp(header, "RIFF", 4) != 0 ||
      std::memcmp(header + 8, "sfbk", 4) != 0)
    throw NoSoundFont(sound_font);
  constexpr std::uintmax_t kNoChunk = sizeof header + 8;  // smaller: nothing but the header
  if (claimed < kNoChunk) throw NoSoundFont(sound_font);
  if (claimed > size)
    throw Error::Input("this sound font is cut short", sound_font.string(), SoundFontAdvice());
  Load<LoadSoundFontFunction>("stemsmith_load_sound_font")(sound_font);
}

AudioBuffer RenderParts(const std::vector<const Part*>& parts, const StemMix& mix,
                        double tuning_cents, std::size_t frames, const fs::path& sound_font) {
  AudioBuffer audio(2, frames);
  if (!parts.empty()) {
    Load<RenderPartsFunction>("stemsmith_render_parts")(parts, mix, tuning_cents, sound_font,
                                                        audio);
  }
  return audio;
}

}  // namespace stemsmith::synth
