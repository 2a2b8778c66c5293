#!/usr/bin/env bash
# Prints the address of the Debian mirror that this machine's own apt sources name.
set -euo pipefail
sources=${1:-/etc/apt}  # a folder with sources.list and sources.list.d/
shopt -s nullglob
lists=("$sources"/sources.list "$sources"/sources.list.d/*.list)
deb822=("$sources"/sources.list.d/*.sources)
{
  cat -- "${lists[@]}" 2>/dev/null | sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' || true
  [ ${#deb822[@]} -eq 0 ] || sed -n 's/^URIs: *\([^ ]*\).*/\1/p' "${deb822[@]}"
} | grep -E '/debian/?$' | head -n 1
