#!/usr/bin/env bash
# pretty_midi 0.2.11 (mido 1.3.3): very short notes through write() and reading.
#
# Expected: a note shorter than a tick of the file gets a length of one tick or is lost.
# Happens:  start and end fall on one tick, write() puts the end before the start, and the end has nothing to end: read
#           back, the note lasts until the NEXT note of that pitch ends. Half a millisecond becomes two seconds.
# Matters:  drum hits and transcriptions have such notes; a stem rendered from the file drones, and activity of a stem
#           computed from it is wrong for as long as the pitch stays unused.
#
# Seen:
#   written (0.5, 0.5005), (2.0, 2.5): read [(0.5, 2.5), (2.0, 2.5)]
#       events of the file (type, velocity, ticks): [('note_on', 0, 220), ('note_on', 64, 0), ('note_on', 64, 660), ('note_on', 0, 220)]
#   written (0.5, 0.501), (2.0, 2.5): read [(0.5, 2.5), (2.0, 2.5)]
#       events of the file (type, velocity, ticks): [('note_on', 0, 220), ('note_on', 64, 0), ('note_on', 64, 660), ('note_on', 0, 220)]
#   written (0.5, 0.504), (2.0, 2.5): read [(0.5, 0.505), (2.0, 2.5)]
#       events of the file (type, velocity, ticks): [('note_on', 64, 220), ('note_on', 0, 2), ('note_on', 64, 658), ('note_on', 0, 220)]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pretty_midi==0.2.11 mido==1.3.3 numpy==2.2.6 "setuptools<81"
cd "$work"
venv/bin/python -W ignore - <<'PY'
import sys

import mido
import pretty_midi

lengths = {}
for short in (0.0005, 0.001, 0.004):
    song = pretty_midi.PrettyMIDI()
    drums = pretty_midi.Instrument(0)
    drums.notes = [pretty_midi.Note(64, 60, 0.5, 0.5 + short), pretty_midi.Note(64, 60, 2.0, 2.5)]
    song.instruments.append(drums)
    song.write("song.mid")
    events = [m for t in mido.MidiFile("song.mid").tracks for m in t if m.type.startswith("note")]
    order = [(m.type, m.velocity, m.time) for m in events]
    notes = pretty_midi.PrettyMIDI("song.mid").instruments[0].notes
    lengths[short] = max(float(note.end - note.start) for note in notes)
    read = [(round(float(note.start), 3), round(float(note.end), 3)) for note in notes]
    print(f"written (0.5, {0.5 + short}), (2.0, 2.5): read {read}")
    print(f"    events of the file (type, velocity, ticks): {order}")
ok = lengths[0.0005] == 2.0 and lengths[0.004] == 0.5
sys.exit(0 if ok else "behaviour has changed")
PY
