#!/usr/bin/env bash
# What the web app runs with, in a folder: gather.sh BUILD PREFIX. The libraries that are not Debian's lie in PREFIX/lib;
# PREFIX/packages.txt names the packages of Debian that hold the others.
set -euo pipefail
build=$(realpath "$1") prefix=$(realpath -m "$2")
for component in separate stemsmith; do
  cmake --install "$build" --component "$component" --prefix "$prefix" --strip >/dev/null
done
rm -rf "$prefix"/{include,lib/cmake,lib/pkgconfig}
# "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)", of programs and modules. LibTorch's own libraries name each other.
needed() { ldd "$prefix"/bin/* "$prefix"/lib/*.so* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u; }
LD_LIBRARY_PATH=$(dirname "$(readlink -f "$build/../../.deps/torch/lib/libtorch_cpu.so")")
export LD_LIBRARY_PATH
packages=()
for library in $(needed); do
  case $library in
    "$prefix"/*) ;;
    */.deps/*) cp -L "$library" "$prefix/lib/" ;;
    *) packages+=("$(dpkg -S "*${library#/usr}" | grep -v '^diversion' | head -n 1 | cut -d: -f1)") ;;
  esac
done
printf '%s\n' "${packages[@]}" | sort -u >"$prefix/packages.txt"
