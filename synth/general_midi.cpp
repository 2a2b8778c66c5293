#include "synth/general_midi.h"

#include <algorithm>
#include <array>

#include "core/text.h"

namespace stemsmith::synth {
namespace {

constexpr std::array<const char*, kDrumProgram + 1> kPrograms{"Acoustic Grand Piano",
                                                              "Bright Acoustic Piano",
                                                              "Electric Grand Piano",
                                                              "Honky-tonk Piano",
                                                              "Electric Piano 1",
                                                              "Electric Piano 2",
                                                              "Harpsichord",
                                                              "Clavinet",
                                                              "Celesta",
                                                              "Glockenspiel",
                                                              "Music Box",
                                                              "Vibraphone",
                                                              "Marimba",
                                                              "Xylophone",
                                                              "Tubular Bells",
                                                              "Dulcimer",
                                                              "Drawbar Organ",
                                                              "Percussive Organ",
                                                              "Rock Organ",
                                                              "Church Organ",
                                                              "Reed Organ",
                                                              "Accordion",
                                                              "Harmonica",
                                                              "Tango Accordion",
                                                              "Acoustic Guitar (nylon)",
                                                              "Acoustic Guitar (steel)",
                                                              "Electric Guitar (jazz)",
                                                              "Electric Guitar (clean)",
                                                              "Electric Guitar (muted)",
                                                              "Overdriven Guitar",
                                                              "Distortion Guitar",
                                                              "Guitar harmonics",
                                                              "Acoustic Bass",
                                                              "Electric Bass (finger)",
                                                              "Electric Bass (pick)",
                                                              "Fretless Bass",
                                                              "Slap Bass 1",
                                                              "Slap Bass 2",
                                                              "Synth Bass 1",
                                                              "Synth Bass 2",
                                                              "Violin",
                                                              "Viola",
                                                              "Cello",
                                                              "Contrabass",
                                                              "Tremolo Strings",
                                                              "Pizzicato Strings",
                                                              "Orchestral Harp",
                                                              "Timpani",
                                                              "String Ensemble 1",
                                                              "String Ensemble 2",
                                                              "Synth Strings 1",
                                                              "Synth Strings 2",
                                                              "Choir Aahs",
                                                              "Voice Oohs",
                                                              "Synth Voice",
                                                              "Orchestra Hit",
                                                              "Trumpet",
                                                              "Trombone",
                                                              "Tuba",
                                                              "Muted Trumpet",
                                                              "French Horn",
                                                              "Brass Section",
                                                              "Synth Brass 1",
                                                              "Synth Brass 2",
                                                              "Soprano Sax",
                                                              "Alto Sax",
                                                              "Tenor Sax",
                                                              "Baritone Sax",
                                                              "Oboe",
                                                              "English Horn",
                                                              "Bassoon",
                                                              "Clarinet",
                                                              "Piccolo",
                                                              "Flute",
                                                              "Recorder",
                                                              "Pan Flute",
                                                              "Blown Bottle",
                                                              "Shakuhachi",
                                                              "Whistle",
                                                              "Ocarina",
                                                              "Lead 1 (square)",
                                                              "Lead 2 (sawtooth)",
                                                              "Lead 3 (calliope)",
                                                              "Lead 4 (chiff)",
                                                              "Lead 5 (charang)",
                                                              "Lead 6 (voice)",
                                                              "Lead 7 (fifths)",
                                                              "Lead 8 (bass + lead)",
                                                              "Pad 1 (new age)",
                                                              "Pad 2 (warm)",
                                                              "Pad 3 (polysynth)",
                                                              "Pad 4 (choir)",
                                                              "Pad 5 (bowed)",
                                                              "Pad 6 (metallic)",
                                                              "Pad 7 (halo)",
                                                              "Pad 8 (sweep)",
                                                              "FX 1 (rain)",
                                                              "FX 2 (soundtrack)",
                                                              "FX 3 (crystal)",
                                                              "FX 4 (atmosphere)",
                                                              "FX 5 (brightness)",
                                                              "FX 6 (goblins)",
                                                              "FX 7 (echoes)",
                                                              "FX 8 (sci-fi)",
                                                              "Sitar",
                                                              "Banjo",
                                                              "Shamisen",
                                                              "Koto",
                                                              "Kalimba",
                                                              "Bag pipe",
                                                              "Fiddle",
                                                              "Shanai",
                                                              "Tinkle Bell",
                                                              "Agogo",
                                                              "Steel Drums",
                                                              "Woodblock",
                                                              "Taiko Drum",
                                                              "Melodic Tom",
                                                              "Synth Drum",
                                                              "Reverse Cymbal",
                                                              "Guitar Fret Noise",
                                                              "Breath Noise",
                                                              "Seashore",
                                                              "Bird Tweet",
                                                              "Telephone Ring",
                                                              "Helicopter",
                                                              "Applause",
                                                              "Gunshot",
                                                              "Drums"};

struct ClassRow {
  int first_program;
  const char* name;
};
// SLAKH's own division; it moves a program or two of General MIDI's groups of eight.
constexpr std::array<ClassRow, 17> kClasses{{{0, "Piano"},
                                             {8, "Chromatic Percussion"},
                                             {16, "Organ"},
                                             {24, "Guitar"},
                                             {32, "Bass"},
                                             {40, "Strings"},
                                             {48, "Strings (continued)"},
                                             {56, "Brass"},
                                             {64, "Reed"},
                                             {72, "Pipe"},
                                             {80, "Synth Lead"},
                                             {88, "Synth Pad"},
                                             {96, "Sound Effects"},
                                             {104, "Ethnic"},
                                             {112, "Percussive"},
                                             {119, "Sound effects"},
                                             {kDrumProgram, "Drums"}}};

}  // namespace

const char* ProgramName(int program) {
  return kPrograms[static_cast<std::size_t>(std::clamp(program, 0, kDrumProgram))];
}

const char* InstrumentClass(int program) {
  const char* name = kClasses.front().name;
  for (const auto& row : kClasses)
    if (row.first_program <= program) name = row.name;
  return name;
}

std::string SnakeCase(const std::string& name) {
  std::string text;
  for (const char c : LowerCase(name)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      text += c;
    else if (!text.empty() && text.back() != '_')
      text += '_';
  }
  while (!text.empty() && text.back() == '_') text.pop_back();
  return text;
}

}  // namespace stemsmith::synth
