#include "synth/midi_file.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace stemsmith::synth {
namespace {

constexpr int kTicksPerQuarter = 480;
constexpr int kDrumChannel = 9;
constexpr int kMelodicChannels = 15;

void PutNumber(std::string& bytes, std::uint32_t value, int size) {
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
    bytes += static_cast<char>((value >> shift) & 0xff);
}

// Seven bits a byte, the highest first; all but the last have the top bit set.
void PutVariable(std::string& bytes, std::uint32_t value) {
  for (int shift = 28; shift > 0; shift -= 7)
    if (value >> shift) bytes += static_cast<char>(0x80 | ((value >> shift) & 0x7f));
  bytes += static_cast<char>(value & 0x7f);
}

struct Event {
  std::uint32_t tick;
  int order;  // at the same tick: note ends, controllers, note starts
  std::string bytes;
};

std::string Message(int status, int first, int second = -1) {
  std::string bytes{static_cast<char>(status), static_cast<char>(first & 0x7f)};
  if (second >= 0) bytes += static_cast<char>(second & 0x7f);
  return bytes;
}

int Clamp7(double value) { return std::clamp(static_cast<int>(std::lround(value)), 0, 127); }

std::string Meta(int kind, const std::string& content) {
  std::string bytes{static_cast<char>(0xff), static_cast<char>(kind)};
  PutVariable(bytes, static_cast<std::uint32_t>(content.size()));
  return bytes + content;
}

std::string Chunk(const char* kind, const std::string& content) {
  std::string bytes = kind;
  PutNumber(bytes, static_cast<std::uint32_t>(content.size()), 4);
  return bytes + content;
}

std::string TrackChunk(std::vector<Event> events) {
  constexpr int kEndOfTrack = 0x2f;
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return a.tick != b.tick ? a.tick < b.tick : a.order < b.order;
  });
  std::string bytes;
  std::uint32_t now = 0;
  for (const Event& event : events) {
    PutVariable(bytes, event.tick - now);
    bytes += event.bytes;
    now = event.tick;
  }
  PutVariable(bytes, 0);
  return Chunk("MTrk", bytes + Meta(kEndOfTrack, ""));
}

std::vector<Event> PartEvents(const Part& part, int channel, double ticks_per_second) {
  constexpr int kNoteOff = 0x80, kNoteOn = 0x90, kController = 0xb0, kProgram = 0xc0, kBend = 0xe0;
  constexpr int kTrackName = 0x03;
  const auto tick = [&](double seconds) {
    return static_cast<std::uint32_t>(std::lround(std::max(0.0, seconds) * ticks_per_second));
  };
  std::vector<Event> events{
      {0, 0, Meta(kTrackName, part.name)},
      {0, 0, Message(kProgram | channel, part.program)},
      // Volume (which is quadratic) and place in the stereo picture.
      {0, 0, Message(kController | channel, 7, Clamp7(100 * std::pow(10.0, part.gain_db / 40)))},
      {0, 0, Message(kController | channel, 10, Clamp7(64 + 63 * part.pan))},
      {0, 0, Message(kController | channel, 91, Clamp7(part.reverb_send))},
      {0, 0, Message(kController | channel, 93, Clamp7(part.chorus_send))}};
  for (const Control& control : part.controls) {
    const int value = std::clamp(control.value, 0, control.number == kPitchBend ? 16383 : 127);
    events.push_back({tick(control.at_seconds), 1,
                      control.number == kPitchBend
                          ? Message(kBend | channel, value & 0x7f, value >> 7)
                          : Message(kController | channel, control.number, value)});
  }
  for (std::size_t i = 0; i < part.notes.size(); ++i) {
    const Note& note = part.notes[i];
    const std::uint32_t start = tick(note.start_seconds);
    std::uint32_t end = std::max(start + 1, tick(note.start_seconds + note.length_seconds));
    // A key struck again while it sounds ends first; a stroke at the same tick is the same stroke.
    bool again = false;
    for (std::size_t j = i + 1; j < part.notes.size(); ++j) {
      const std::uint32_t next = tick(part.notes[j].start_seconds);
      if (next >= end) break;
      if (part.notes[j].key != note.key) continue;
      again = next == start;
      end = next;
      break;
    }
    if (again) continue;
    events.push_back({start, 2, Message(kNoteOn | channel, note.key, std::max(1, note.velocity))});
    events.push_back({end, 0, Message(kNoteOff | channel, note.key, 64)});
  }
  return events;
}

}  // namespace

std::string MidiFile(const Song& song, const std::vector<const Part*>& parts) {
  constexpr int kTrackName = 0x03, kTempo = 0x51, kTimeSignature = 0x58;
  // Ticks follow the tempo as the file can state it, whole microseconds, so that times stay exact.
  const auto quarter_us = static_cast<std::uint32_t>(std::lround(60e6 / song.tempo_bpm));
  const double ticks_per_second = kTicksPerQuarter * 1e6 / quarter_us;
  std::string tempo;
  PutNumber(tempo, quarter_us, 3);
  // Numerator, denominator as a power of two, MIDI clocks a click, 32nds a quarter.
  const std::string signature{static_cast<char>(song.beats_per_bar), 2, 24, 8};

  std::string header;
  PutNumber(header, 1, 2);
  PutNumber(header, static_cast<std::uint32_t>(parts.size() + 1), 2);
  PutNumber(header, kTicksPerQuarter, 2);
  std::string bytes = Chunk("MThd", header);
  bytes += TrackChunk({{0, 0, Meta(kTrackName, song.name)},
                       {0, 0, Meta(kTempo, tempo)},
                       {0, 0, Meta(kTimeSignature, signature)}});
  int melodic = 0;
  for (const Part* part : parts) {
    int channel = kDrumChannel;
    if (!part->percussion) {
      channel = melodic++ % kMelodicChannels;
      if (channel >= kDrumChannel) ++channel;
    }
    bytes += TrackChunk(PartEvents(*part, channel, ticks_per_second));
  }
  return bytes;
}

}  // namespace stemsmith::synth
