#!/usr/bin/env bash
# Makes the packages of `separate` (cmake/Packages.cmake) and tries them: lists what they hold against what they may hold
# (cmake/package_libraries.txt), and separates a song with each in a root of Debian 13 where nothing is installed. Wants to be
# run as root, on Debian 12 (the oldest system that the packages run on), and leaves the machine as it is.
#
#   tools/check_packages.sh              makes and removes the root (debootstrap, from the mirror of this machine's apt sources)
#   tools/check_packages.sh --contents   makes the packages and lists them: needs no root, takes seconds
#
#   --root DIR       where the root is made; one that is there already is used as it is, and stays
#   --suite NAME     another release than trixie
# STEMSMITH_BUILD_DIR names a build that is to be taken as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { printf 'check_packages: %s\n' "$*" >&2; exit "${status:-1}"; }
expect() { grep -qE -- "$1" <<<"$2" || fail "no '$1' in: $2"; }
most_mib=40
suite=trixie root='' contents_only=0
while [ $# -gt 0 ]; do
  case "$1" in
    -h|--help) sed -n '2,11p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
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
[ -n "${STEMSMITH_BUILD_DIR:-}" ] || ./tools/build.sh release separate stemsmith_shared make_tiny_onnx
build=$(realpath "$build")
work=$(mktemp -d)
made_root=''
clean() {
  rm -rf "$work"
  [ -z "$made_root" ] || rm -rf --one-file-system "$made_root"
}
trap clean EXIT

# ---------------------------------------------------------------- what is in them
for generator in TGZ DEB; do
  cpack --config "$build/CPackConfig.cmake" -G $generator -B "$work/packages" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "cpack -G $generator failed"; }
done
archive=$(ls "$work"/packages/*.tar.gz) deb=$(ls "$work"/packages/*.deb)
mkdir "$work/tar" "$work/deb"
tar -C "$work/tar" --strip-components=1 -xzf "$archive"
dpkg-deb -x "$deb" "$work/deb"

# Lists shared libraries of a tree: all are ours, or may be there and have their licence with them.
check_contents() {
  local tree=$1 file name package
  while read -r file; do
    name=$(basename "$file")
    case "$name" in
      libstemsmith.so|libstemsmith.so.*|libstemsmith_libav.so) continue ;;
    esac
    package=$(awk -v name="$name" '$1 == name { print $2 }' cmake/package_libraries.txt)
    [ -n "$package" ] || fail "$file may be in no package (cmake/package_libraries.txt)"
    compgen -G "$tree/LICENSES/$package*" >/dev/null || fail "$tree/LICENSES holds nothing of $package"
    echo "  $name ($package)"
  done < <(find "$tree" -name '*.so*' | sort)
  [ -s "$tree/LICENSES/stemsmith" ] || fail "our own licence is missing"
  if file=$(readelf -d "$tree"/libexec/* "$tree"/lib/*.so* | grep -E 'R(UN)?PATH' | grep -E '\[/|:/'); then fail "paths of this machine: $file"; fi
}
mib=$((($(stat -c %s "$archive") + (1 << 20) - 1) >> 20))
echo "$(basename "$archive"): $mib MiB (of at most $most_mib)"
[ $mib -le $most_mib ] || fail "it is larger than $most_mib MiB"
check_contents "$work/tar"
echo "  LICENSES: $(ls -m "$work/tar/LICENSES" | tr '\n' ' ')"
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
cp "$archive" "$deb" "$root/srv/check/"
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
rm -rf "$root/srv/check"
echo "check_packages: PASSED"
