"""The Python side of bench/prepare.sh: all five streams of every song of ROOT decoded to arrays, song by song.

  prepare_peers.py stempeg|float32|musdb|h5py ROOT      prints the seconds that took: wall, user, system

stempeg  stempeg.read_stems(song), as its documentation calls it: ffprobe twice, then an ffmpeg process per stream that
         pipes float32, which becomes float64
float32  the same without the last step
musdb    track.stems of musdb.DB: the same through int16 to float64, which is musdb's only way; finding the songs is not
         counted
h5py     as float32, then each song's four stems into an HDF5 file, flushed to disk
Processes that these start are counted. Imports are not.
"""
import os
import pathlib
import sys
import tempfile
import time

import h5py
import musdb
import numpy as np
import stempeg


def read_stempeg(root, **options):
    for path in sorted(root.glob("*/*.stem.mp4")):
        stems, _ = stempeg.read_stems(str(path), **options)
        assert stems.shape[0] == 5 and stems.dtype == options.get("dtype", np.float64)
        yield path.stem, stems


def read_musdb(database):
    for track in database:
        assert track.stems.shape[0] == 5
        yield track.name, None


def write_h5py(songs):
    with tempfile.TemporaryDirectory() as folder:
        with h5py.File(pathlib.Path(folder) / "cache.h5", "w") as cache:
            for name, stems in songs:
                cache[name] = stems[1:]
            cache.flush()
            os.fsync(cache.id.get_vfd_handle())
        yield from ()


def main(mode, root):
    if mode == "musdb":
        songs = read_musdb(musdb.DB(root=str(root)))
    elif mode == "stempeg":
        songs = read_stempeg(root)
    else:
        songs = read_stempeg(root, dtype=np.float32)
        if mode == "h5py":
            songs = write_h5py(songs)
    wall, before = time.perf_counter(), os.times()
    for _ in songs:
        pass
    after = os.times()
    user = after.user - before.user + after.children_user - before.children_user
    system = after.system - before.system + after.children_system - before.children_system
    print(f"{time.perf_counter() - wall:.3f} {user:.3f} {system:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
