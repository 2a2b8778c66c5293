#include "synth/midi_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "synth/composer.h"

namespace stemsmith::synth {
namespace {

struct ReadNote {
  double start = 0, length = 0;
  int key = 0, velocity = 0;
};
struct ReadTrack {
  std::string name;
  int channel = -1, program = -1;
  bool ended = false;
  std::vector<ReadNote> notes;  // by start
};
struct ReadMidi {
  int format = 0, ticks = 0, tempo_us = 0;
  std::vector<ReadTrack> tracks;
};

// A reader of its own, after the standard's text.
ReadMidi Parse(const std::string& bytes) {
  std::size_t at = 0;
  const auto number = [&](int size) {
    std::uint32_t value = 0;
    for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes.at(at++));
    return value;
  };
  const auto variable = [&] {
    std::uint32_t value = 0;
    for (;;) {
      const std::uint32_t byte = number(1);
      value = value << 7 | (byte & 0x7f);
      if (byte < 0x80) return value;
    }
  };
  ReadMidi midi;
  EXPECT_EQ(bytes.substr(0, 4), "MThd");
  at = 4;
  EXPECT_EQ(number(4), 6u);
  midi.format = static_cast<int>(number(2));
  midi.tracks.resize(number(2));
  midi.ticks = static_cast<int>(number(2));
  for (ReadTrack& track : midi.tracks) {
    EXPECT_EQ(bytes.substr(at, 4), "MTrk");
    at += 4;
    const std::size_t length = number(4), end = at + length;
    double now = 0;  // seconds
    std::map<int, std::size_t> sounding;
    while (at < end) {
      const std::uint32_t delta = variable();
      now += delta * (midi.tempo_us / 1e6) / midi.ticks;
      const std::uint32_t status = number(1);
      if (status == 0xff) {
        const std::uint32_t kind = number(1), size = variable();
        const std::string content = bytes.substr(at, size);
        if (kind == 0x03) track.name = content;
        if (kind == 0x51) {
          midi.tempo_us = static_cast<int>(number(3));
          at -= 3;
        }
        if (kind == 0x2f) track.ended = at == end;
        at += size;
        continue;
      }
      track.channel = static_cast<int>(status & 15);
      const int first = static_cast<int>(number(1));
      const int second = (status & 0xf0) == 0xc0 ? 0 : static_cast<int>(number(1));
      EXPECT_LT(std::max(first, second), 128);
      if ((status & 0xf0) == 0xc0) track.program = first;
      if ((status & 0xf0) == 0x90) {
        EXPECT_FALSE(sounding.contains(first)) << "struck while it sounds";
        sounding[first] = track.notes.size();
        track.notes.push_back({now, 0, first, second});
      }
      if ((status & 0xf0) == 0x80) {
        EXPECT_TRUE(sounding.contains(first));
        if (!sounding.contains(first)) continue;
        ReadNote& note = track.notes[sounding[first]];
        note.length = now - note.start;
        sounding.erase(first);
      }
    }
    EXPECT_EQ(at, end);
    EXPECT_TRUE(sounding.empty());
  }
  EXPECT_EQ(at, bytes.size());
  return midi;
}

TEST(MidiFile, HoldsEveryPartWithItsNotes) {
  const Song song = ComposeSong(3, 4, 20);
  std::vector<const Part*> parts;
  for (const Part& part : song.parts) parts.push_back(&part);
  const ReadMidi midi = Parse(MidiFile(song, parts));
  EXPECT_EQ(midi.format, 1);
  EXPECT_NEAR(60e6 / midi.tempo_us, song.tempo_bpm, 1e-3);
  ASSERT_EQ(midi.tracks.size(), parts.size() + 1);
  EXPECT_EQ(midi.tracks[0].name, song.name);
  std::map<int, int> channels;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const ReadTrack& track = midi.tracks[i + 1];
    EXPECT_EQ(track.name, parts[i]->name);
    EXPECT_EQ(track.program, parts[i]->program);
    EXPECT_EQ(track.channel == 9, parts[i]->percussion);
    EXPECT_TRUE(track.ended);
    ++channels[track.channel];
    // Every note read is one that was composed, at its time to half a tick. A few composed notes
    // fall together with another of their key.
    EXPECT_GE(track.notes.size(), parts[i]->notes.size() * 9 / 10);
    EXPECT_LE(track.notes.size(), parts[i]->notes.size());
    for (const ReadNote& note : track.notes) {
      double nearest = 1;
      for (const Note& composed : parts[i]->notes) {
        if (composed.key == note.key)
          nearest = std::min(nearest, std::abs(composed.start_seconds - note.start));
      }
      EXPECT_LT(nearest, 0.51 * midi.tempo_us / 1e6 / 480);
      EXPECT_GT(note.length, 0);
    }
  }
  for (const auto& [channel, count] : channels) EXPECT_EQ(count, 1) << "channel " << channel;
}

TEST(MidiFile, EndsAKeyBeforeItIsStruckAgain) {
  Song song;
  song.tempo_bpm = 120;
  Part part;
  part.notes = {{0.0, 2.0, 60, 90}, {0.5, 1.0, 60, 80}, {0.5, 1.0, 64, 70}, {0.5, 1.0, 64, 60}};
  const ReadMidi midi = Parse(MidiFile(song, {&part}));
  const auto& notes = midi.tracks[1].notes;
  ASSERT_EQ(notes.size(), 3u);
  EXPECT_NEAR(notes[0].length, 0.5, 1e-3);
  EXPECT_NEAR(notes[1].start, 0.5, 1e-3);
  EXPECT_NEAR(notes[1].length, 1.0, 1e-3);
  EXPECT_EQ(notes[2].velocity, 60);
}

TEST(MidiFile, WritesLongPauses) {
  Song song;
  song.tempo_bpm = 120;
  Part part;
  part.notes = {{0.1, 0.2, 60, 90}, {1000.0, 0.5, 61, 90}};  // 960000 ticks: three bytes
  const ReadMidi midi = Parse(MidiFile(song, {&part}));
  EXPECT_NEAR(midi.tracks[1].notes.at(1).start, 1000.0, 1e-3);
}

}  // namespace
}  // namespace stemsmith::synth
