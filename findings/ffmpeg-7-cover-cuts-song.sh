#!/usr/bin/env bash
# imageio-ffmpeg 0.6.0 (ffmpeg 7.0.2) and 0.4.9 (ffmpeg 4.2.2): a song gets a cover picture, with `-frames:v 1`, so that
# one picture is taken from a video or an animation.
#
# Expected: the option counts frames of the picture's stream (the :v in it); the song stays as long as it is.
# Happens:  4.2.2 writes the whole song. 7.0.2 ends the sound of 20 s with the first picture: 0 to 27 ms of it are in
#           the file, nothing at all in flac. No warning, no error, exit code 0. A picture from a JPEG file does the same;
#           without `-frames:v 1` (a JPEG is one frame anyway) the song is whole.
# Matters:  scripts that put covers on stems or on a data set's songs worked for years with this option. After an upgrade
#           (Debian 12 to 13 is one) they leave files with a title, a cover and no music, and report success.
#
# Seen:
#   ffmpeg 4.2.2: flac 882000 of 882000 frames, mp3 882000, m4a 882688; without the option 882000, 882000, 882688
#   ffmpeg 7.0.2: flac      0 of 882000 frames, mp3   1152, m4a   1024; without the option 882000, 882000, 882688
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 0.4.9 0.6.0; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" install --quiet "imageio-ffmpeg==$version" setuptools==75.8.0
done
cd "$work"
"$work/0.6.0/bin/python" - <<'PY'
import subprocess
import sys

SECONDS, RATE = 20, 44100


def ffmpeg_of(version):
    code = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
    return subprocess.run([f"{version}/bin/python", "-W", "ignore", "-c", code], check=True, capture_output=True,
                          text=True).stdout.strip()


def run(ffmpeg, *arguments):
    return subprocess.run([ffmpeg, "-nostdin", "-v", "error", "-y", *arguments], check=True, capture_output=True)


def frames(ffmpeg, name, cover, *options):
    """Frames of sound in a file that a song of 20 s and a picture were put into."""
    run(ffmpeg, "-f", "lavfi", "-i", f"sine=440:duration={SECONDS}:sample_rate={RATE}", *cover, "-map", "0", "-map", "1",
        *options, "-c:v", "mjpeg", "-disposition:v", "attached_pic", name)
    try:
        sound = run(ffmpeg, "-i", name, "-map", "0:a", "-f", "s16le", "-").stdout
    except subprocess.CalledProcessError:  # a file of no sound at all
        sound = b""
    return len(sound) // 2


video = ["-f", "lavfi", "-i", f"color=c=red:s=64x64:r=25:d={SECONDS}"]
wrong = []
for version, cuts in (("0.4.9", False), ("0.6.0", True)):
    ffmpeg = ffmpeg_of(version)
    name = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True).stdout.split()[2].split("-")[0]
    run(ffmpeg, *video, "-frames:v", "1", "cover.jpg")
    kinds = ("flac", "mp3", "m4a")
    cut = [frames(ffmpeg, f"a.{kind}", video, "-frames:v", "1") for kind in kinds]
    from_file = [frames(ffmpeg, f"b.{kind}", ["-i", "cover.jpg"], "-frames:v", "1") for kind in kinds]
    whole = [frames(ffmpeg, f"c.{kind}", ["-i", "cover.jpg"]) for kind in kinds]
    print(f"ffmpeg {name}: flac {cut[0]:6} of {SECONDS * RATE} frames, mp3 {cut[1]:6}, m4a {cut[2]:6}; "
          f"without the option {whole[0]}, {whole[1]}, {whole[2]}")
    short = [count < SECONDS * RATE // 100 for count in cut + from_file]
    if short != [cuts] * 6 or min(whole) < SECONDS * RATE:
        wrong.append(name)
if wrong:
    sys.exit(f"not as described: ffmpeg {', '.join(wrong)}")
PY
