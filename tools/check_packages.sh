#!/usr/bin/env bash
# Makes the packages (cmake/Packages.cmake) and tries them: lists what they hold against what they may hold
# (cmake/package_libraries.txt), and in a root of Debian 13 where nothing is installed separates a song with each, and trains and
# exports a model with that of everything. Wants to be run as root, on Debian 12 (the oldest system that the packages run on), and
# leaves the machine as it is.
#
#   tools/check_packages.sh              makes and removes the root (debootstrap, from the mirror of this machine's apt sources)
#   tools/check_packages.sh --contents   makes the packages and lists them: needs no root
#
#   --root DIR       where the root is made; one that is there already is used as it is, and stays
#   --suite NAME     another release than trixie
# STEMSMITH_BUILD_DIR names a build that is to be taken as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { printf 'check_packages: %s\n' "$*" >&2; exit "${status:-1}"; }
expect() { grep -qE -- "$1" <<<"$2" || fail "no '$1' in: $2"; }
most_mib=16 most_mib_of_all=140
suite=trixie root='' contents_only=0
while [ $# -gt 0 ]; do
  case "$1" in
    -h|--help) sed -n '2,12p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    --contents) contents_only=1 ;;
    --root|--suite)
      [ $# -gt 1 ] || status=2 fail "$1 needs a value"
      if [ "$1" = --root ]; then root=$(realpath -m "$2"); else suite=$2; fi
      shift ;;
    *) status=2 fail "unknown option '$1'; see tools/check_packages.sh --help" ;;
  esac
  shift
done
# Packages hold Debian 12's libraries, by the names that they have there.
[ "$(. /etc/os-release; echo "${ID:-} ${VERSION_ID:-}")" = "debian 12" ] || status=77 fail "packages are made on Debian 12"
for tool in patchelf objdump dpkg-deb; do
  command -v $tool >/dev/null || fail "$tool is missing: apt-get install patchelf binutils dpkg"
done
if [ $contents_only = 0 ]; then
  [ "$(id -u)" -eq 0 ] || fail "only root may make a root: run it with sudo, or with --contents"
  command -v debootstrap >/dev/null || [ -e "${root:-/nowhere}/etc/debian_version" ] || fail "debootstrap is missing: apt-get install debootstrap"
fi
build=${STEMSMITH_BUILD_DIR:-build/release}
[ -n "${STEMSMITH_BUILD_DIR:-}" ] || ./tools/build.sh release stemsmith separate stemsmith_pages separate_pages stemsmith_shared make_tiny_onnx
build=$(realpath "$build")
work=$(mktemp -d)
made_root=''
clean() {
  rm -rf "$work"
  [ -z "$made_root" ] || rm -rf --one-file-system "$made_root"
}
trap clean EXIT

# ---------------------------------------------------------------- what is in them
for options in "-G TGZ" "-G DEB" "-G TGZ -D CPACK_PACKAGE_NAME=stemsmith"; do
  # shellcheck disable=SC2086
  cpack --config "$build/CPackConfig.cmake" $options -B "$work/packages" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "cpack $options failed"; }
  rm -rf "$work/packages/_CPack_Packages"
done
archive=$(ls "$work"/packages/stemsmith-separate-*.tar.gz) deb=$(ls "$work"/packages/*.deb) everything=$(ls "$work"/packages/stemsmith-[0-9]*.tar.gz)
mkdir "$work/tar" "$work/deb" "$work/all"
tar -C "$work/tar" --strip-components=1 -xzf "$archive"
tar -C "$work/all" --strip-components=1 -xzf "$everything"
dpkg-deb -x "$deb" "$work/deb"

# Lists shared libraries of a tree: all are ours, or may be there and have their licence with them.
check_contents() {
  local tree=$1 file name package
  while read -r file; do
    name=$(basename "$file")
    case "$name" in
      libstemsmith.so|libstemsmith.so.*|libstemsmith_libav.so) continue ;;
      libstemsmith_*.so) if [ -e "$tree/bin/stemsmith" ]; then continue; fi ;;
    esac
    package=$(awk -v name="$name" '$1 == name { print $2 }' cmake/package_libraries.txt)
    [ -n "$package" ] || fail "$file may be in no package (cmake/package_libraries.txt)"
    compgen -G "$tree/LICENSES/$package*" >/dev/null || fail "$tree/LICENSES holds nothing of $package"
    echo "  $name ($package)"
  done < <(find "$tree" -name '*.so*' | sort)
  [ -s "$tree/LICENSES/stemsmith" ] || fail "our own licence is missing"
  if file=$(readelf -d "$tree"/libexec/* "$tree"/lib/*.so* | grep -E 'R(UN)?PATH' | grep -E '\[/|:/'); then fail "paths of this machine: $file"; fi
}
# check_archive FILE TREE MIB
check_archive() {
  local mib=$((($(stat -c %s "$1") + (1 << 20) - 1) >> 20))
  echo "$(basename "$1"): $mib MiB (of at most $3), unpacked $(du -sm "$2" | cut -f1) MiB"
  [ $mib -le "$3" ] || fail "it is larger than $3 MiB"
  check_contents "$2"
  echo "  LICENSES: $(ls -m "$2/LICENSES" | tr '\n' ' ')"
}
check_archive "$archive" "$work/tar" $most_mib
check_archive "$everything" "$work/all" $most_mib_of_all
echo "$(basename "$deb"): $(($(stat -c %s "$deb") >> 20)) MiB"
check_contents "$work/deb/usr/lib/stemsmith"
dpkg-deb -f "$deb" Depends Recommends | sed 's/^/  /'
# A system that is too old says so.
sed 's/getconf GNU_LIBC_VERSION 2>/echo glibc 2.31 2>/' "$work/tar/bin/separate" >"$work/tar/bin/old_libc"
sed 's/uname -m/echo aarch64/' "$work/tar/bin/separate" >"$work/tar/bin/old_machine"
sed 's/getconf GNU_LIBC_VERSION 2>/false 2>/' "$work/tar/bin/separate" >"$work/tar/bin/no_libc"
for case in "old_libc:this machine has 2.31" "old_machine:this machine is aarch64" "no_libc:not found here"; do
  said=$(sh "$work/tar/bin/${case%%:*}" --version 2>&1 || true)
  expect "${case#*:}" "$said"
  echo "  $said"
done
# So does a processor: LibTorch wants SSE4.1.
sed "s|grep -m 1 '^flags' /proc/cpuinfo|echo 'flags : fpu sse2 ssse3'|" "$work/all/bin/stemsmith" >"$work/all/bin/old_processor"
said=$(sh "$work/all/bin/old_processor" --version 2>&1 || true)
expect 'old_processor: this package needs a processor with sse4_1' "$said"
[ "$(wc -l <<<"$said")" -eq 1 ] || fail "more than one line: $said"
echo "  $said"
rm "$work/all/bin/old_processor"
[ $contents_only = 0 ] || { echo "check_packages: the contents are right"; exit 0; }

# ---------------------------------------------------------------- where nothing is installed
root=${root:-$PWD/out/packages/$suite}
if [ ! -e "$root/etc/debian_version" ]; then
  mirror=$(tools/debian_mirror.sh) || fail "no Debian mirror found in this machine's apt sources"
  mkdir -p "$root"
  made_root=$root
  debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$work/log" 2>&1 || fail "debootstrap failed: $(tail -n 1 "$work/log")"
fi
# What apt needs to reach the mirror that this machine uses.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump --format '%F "%v";%n' | grep -iE '^Acquire::(https?|ftp)::.+ "[^"]' >"$root/etc/apt/apt.conf.d/95machine" || true
# there COMMAND: in the root, with /proc, by which programs find what lies beside them.
there() {
  unshare --mount --propagation private sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" env -i HOME=/root LANG=C.UTF-8 \
    PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -c "cd /srv/check && $2"' sh "$root" "$1"
}
rm -rf "$root/srv/check"
mkdir -p "$root/srv/check"
"$build/bin/make_tiny_onnx" "$root/srv/check/model.onnx" 44100
for format in wav flac ogg opus mp3 m4a; do
  rate=44100
  [ $format != opus ] || rate=48000
  ffmpeg -nostdin -v error -y -f lavfi -i "sine=440:duration=3:sample_rate=$rate" -ac 2 "$root/srv/check/song.$format"
done
cp "$archive" "$deb" "$everything" "$root/srv/check/"
release=$(. "$root/etc/os-release"; echo "$PRETTY_NAME")

# try PROGRAM: songs of each format, of which m4a needs libav.
try() {
  local format said
  for format in wav flac ogg opus mp3; do
    said=$(there "$1 model.onnx song.$format -o out_$format 2>&1") || fail "$1 song.$format: $said"
    [ -s "$root/srv/check/out_$format/song/mixture.wav" ] || fail "$1 song.$format wrote nothing: $said"
    echo "  song.$format: $(tail -n 1 <<<"$said")"
  done
  # The stem of this model is the song: sample for sample, where it was never packed.
  cmp <(ffmpeg -nostdin -v error -i "$root/srv/check/song.wav" -f s16le -) \
    <(ffmpeg -nostdin -v error -i "$root/srv/check/out_wav/song/mixture.wav" -f s16le -) || fail "the stem is not the song"
  said=$(there "$1 model.onnx song.m4a -o out_m4a 2>&1" || true)
  expect 'apt install libav[a-z]+[0-9]+|1 stems' "$said"
  echo "  song.m4a: $(grep -m 1 -E 'libav|1 stems' <<<"$said")"
  rm -rf "$root"/srv/check/out_*
}
! there "dpkg -s libsndfile1 >/dev/null 2>&1" || fail "$root holds libsndfile already: give a fresh --root"
echo "$release, nothing installed: the .tar.gz"
there "mkdir -p else/where && tar -C else/where --strip-components=1 -xzf stemsmith-separate-*.tar.gz && mv else moved"
try moved/where/bin/separate
there "ln -s /srv/check/moved/where/bin/separate /usr/local/bin/linked && linked --version >/dev/null && rm /usr/local/bin/linked" ||
  fail "it does not start by a link"
echo "$release: the .deb"
said=$(there "apt-get update -qq 2>&1 && apt-get install -y -qq ./stemsmith-separate_*.deb 2>&1") || fail "the .deb does not install: $said"
there "dpkg -s stemsmith-separate" | grep -E '^(Package|Version|Status)' | sed 's/^/  /'
try separate
there "apt-get purge --autoremove -y -qq stemsmith-separate >/dev/null 2>&1 && ! command -v separate" || fail "the .deb leaves separate behind"

echo "$release, nothing installed: the .tar.gz of everything"
there "mkdir -p all && tar -C all --strip-components=1 -xzf stemsmith-[0-9]*.tar.gz"
# well COMMAND: it ends well, and its last line is shown.
well() {
  local said
  said=$(there "export PATH=/srv/check/all/bin:\$PATH; $1 2>&1") || fail "$1: $said"
  echo "  $(tail -n 1 <<<"$said")"
}
well "stemsmith --version"
well "stemsmith models"
pitch=110
for song in train/one train/two valid/three; do
  mkdir -p "$root/srv/check/songs/$song"
  for stem in drums bass other vocals; do
    ffmpeg -nostdin -v error -f lavfi -i "sine=$pitch:duration=12:sample_rate=44100" -ac 2 "$root/srv/check/songs/$song/$stem.wav"
    pitch=$((pitch + 70))
  done
done
well "stemsmith prepare folders songs --out cache.h5"
well "stemsmith train all/share/stemsmith/configs/demo_unet.yaml --run run --set dataset.cache=cache.h5 --set train.steps=2 --set validate.every_steps=2"
well "stemsmith export run --out trained"
for file in onnx ts; do
  well "separate trained/model.$file song.wav -o by_$file --bits 32f"
done
python3 - "$root/srv/check" <<'PYTHON' || fail "the stems by .ts and .onnx differ"
import array, pathlib, sys
root = pathlib.Path(sys.argv[1])
for stem in ("drums", "bass", "other", "vocals"):
    a, b = (array.array("f", (root / f"by_{kind}/song/{stem}.wav").read_bytes()[-4 * 200000:]) for kind in ("onnx", "ts"))
    assert max(map(abs, a)) > 1e-6 and max(abs(x - y) for x, y in zip(a, b)) < 1e-4, stem
PYTHON
# FluidSynth stays the machine's: one line says what to install, and then it is there.
printf 'RIFF\14\0\0\0sfbkLIST\0\0\0\0' >"$root/srv/check/font.sf2"
said=$(there "all/bin/stemsmith synth demo --songs 1 --seconds 5 --soundfont font.sf2 2>&1" || true)
expect 'apt install libfluidsynth3' "$said"
[ "$(wc -l <<<"$said")" -eq 1 ] || fail "more than one line: $said"
echo "  $said"
there "apt-get install -y -qq --no-install-recommends libfluidsynth3 timgm6mb-soundfont >/dev/null 2>&1" || fail "FluidSynth does not install"
well "stemsmith synth demo --songs 1 --seconds 5"
there "apt-get purge --autoremove -y -qq libfluidsynth3 timgm6mb-soundfont >/dev/null 2>&1"
rm -rf "$root/srv/check"
echo "check_packages: PASSED"
