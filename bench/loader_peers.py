"""The Python side of bench/loader.sh: the same segments through h5py and through soundfile.

  loader_peers.py wavs DIR               writes DIR/wav/SONG-STEM.wav (16 bit) from DIR/cache.h5
  loader_peers.py h5py|soundfile DIR     prints the seconds of each pass, a line each

Both peers are given what helps them: files stay open, buffers are reused, all lies in the page cache.
"""
import json
import pathlib
import sys
import time

import h5py
import numpy as np
import soundfile

SEGMENT, SAMPLES, BATCH, CHANNELS = 6 * 44100, 128, 4, 2


def open_cache(folder):
    cache = h5py.File(folder / "cache.h5", "r")
    index = json.loads(cache["index"][()])
    return cache, index["stems"], [track["name"] for track in index["tracks"]]


def write_wavs(folder):
    cache, stems, songs = open_cache(folder)
    (folder / "wav").mkdir(exist_ok=True)
    for song in songs:
        audio = cache[f"tracks/{song}/audio"][()]
        for s, stem in enumerate(stems):
            columns = audio[:, s * CHANNELS : (s + 1) * CHANNELS]
            soundfile.write(folder / "wav" / f"{song}-{stem}.wav", columns, 44100, subtype="PCM_16")


def h5py_reader(folder):
    cache, _, songs = open_cache(folder)
    audio = {song: cache[f"tracks/{song}/audio"] for song in songs}
    scale = {song: float(cache[f"tracks/{song}"].attrs["scale"][0]) for song in songs}

    def read(song, start, out):
        np.multiply(audio[song][start : start + SEGMENT].T, scale[song], out=out)

    return read, songs


def soundfile_reader(folder):
    _, stems, songs = open_cache(folder)
    files = {song: [soundfile.SoundFile(folder / "wav" / f"{song}-{stem}.wav") for stem in stems] for song in songs}
    interleaved = np.empty((SEGMENT, CHANNELS), np.float32)

    def read(song, start, out):
        for s, file in enumerate(files[song]):
            file.seek(start)
            file.read(out=interleaved)
            out[s * CHANNELS : (s + 1) * CHANNELS] = interleaved.T

    return read, songs


def measure(reader, folder):
    read, songs = reader(folder)
    batch = np.ones((BATCH, 8, SEGMENT), np.float32)
    for song in songs:  # into the page cache
        for start in range(0, 54 * 44100, SEGMENT):
            read(song, start, batch[0])
    lines = (folder / "segments.txt").read_text().split("\n")[:-1]
    segments = [(song, int(start)) for song, start in (line.split() for line in lines)]
    for first in range(0, len(segments), SAMPLES):
        begin = time.perf_counter()
        for i, (song, start) in enumerate(segments[first : first + SAMPLES]):
            read(song, start, batch[i % BATCH])
        print(f"{time.perf_counter() - begin:.6f}")


if __name__ == "__main__":
    mode, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if mode == "wavs":
        write_wavs(folder)
    else:
        measure({"h5py": h5py_reader, "soundfile": soundfile_reader}[mode], folder)
