"""Stems of a song with onnxruntime and numpy alone: separate_onnxruntime.py MODEL.onnx SONG.wav FOLDER.

For songs that fit the model as they are: a wav file of 16 bits, at the model's rate, with its channels.
"""
import json
import os
import sys
import wave

import numpy as np
import onnxruntime


def read_wav(path):
    with wave.open(path) as file:
        assert file.getsampwidth() == 2, "16 bits are needed"
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return samples.T.astype(np.float32) / 32768, file.getframerate()


def write_wav(path, audio, rate):
    with wave.open(path, "wb") as file:
        file.setnchannels(len(audio))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.clip(np.rint(audio.T * 32768), -32768, 32767).astype("<i2").tobytes())


def separate(session, manifest, mix):
    """mix [C, T] → stems [S, C, T]: overlapping segments, weighted, added, the weights divided out."""
    frames, segment = mix.shape[1], manifest["segment_frames"]
    mean, deviation = 0.0, 1.0
    if manifest["song_normalization"] == "mean_std":
        mono = mix.mean(axis=0, dtype=np.float64)
        mean, deviation = mono.mean(), mono.std(ddof=1) + 1e-8
    stride = max(1, segment - round(manifest["overlap"] * segment))
    place = np.arange(segment)
    window = {
        "triangle": np.minimum(place + 1, segment - place) / ((segment + 1) // 2),
        "hann": np.sin(np.pi * (place + 0.5) / segment) ** 2,
        "rectangle": np.ones(segment),
    }[manifest["window"]]
    stems = np.zeros((len(manifest["stems"]), *mix.shape))
    weights = np.zeros(frames)
    name = session.get_inputs()[0].name
    for begin in range(0, frames, stride):
        part = mix[:, begin : begin + segment]
        valid = part.shape[1]
        padded = np.zeros((1, len(mix), segment), np.float32)
        padded[0, :, :valid] = (part - mean) / deviation
        estimates = session.run(None, {name: padded})[0][0] * deviation + mean
        stems[:, :, begin : begin + valid] += window[:valid] * estimates[:, :, :valid]
        weights[begin : begin + valid] += window[:valid]
        if begin + segment >= frames:
            break
    return stems / weights


def main(model, song, folder):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    manifest = json.loads(session.get_modelmeta().custom_metadata_map["stemsmith.manifest"])
    mix, rate = read_wav(song)
    if rate != manifest["sample_rate_hz"] or len(mix) != manifest["channels"]:
        sys.exit(f"error: the model takes {manifest['channels']} channels at {manifest['sample_rate_hz']} Hz")
    os.makedirs(folder, exist_ok=True)
    for stem, audio in zip(manifest["stems"], separate(session, manifest, mix)):
        write_wav(f"{folder}/{stem}.wav", audio, rate)
        print(f"{folder}/{stem}.wav")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: " + __doc__.split("\n")[0].split(": ")[1])
    main(*sys.argv[1:])
