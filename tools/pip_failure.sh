#!/usr/bin/env bash
# What a failed run of pip means and what to do, in one sentence: tools/pip_failure.sh LABEL PYTHON LOG
# (LABEL: what was to be installed; PYTHON: its version; LOG: pip's output).
set -euo pipefail
label=$1 python=$2 log=$3
known="the packages pinned in tools/requirements.txt and tools/requirements-tests.txt are known to install with Python 3.11 and 3.13 (Debian 12 and 13)"
says() { grep -qiE "$1" "$log"; }
# The package of pip's sentence "… for PACKAGE".
named() { sed -n "s/.*$1 \(for \)\{0,1\}\([A-Za-z0-9][^ ,:;]*\).*/\2/p" "$log" | tail -n 1; }

if says 'No space left on device|Errno 28'; then
  echo "the disk is full while installing $label; make room (docs/install.md says how much it takes) and run this again to go on"
elif ! says 'from versions: [0-9]' && says 'NewConnectionError|NameResolutionError|ProxyError|SSLError|CERTIFICATE_VERIFY|ConnectTimeout|ConnectionResetError|Connection refused|Connection aborted|Temporary failure|Read timed out|IncompleteRead|IncompleteDownload|HTTP error 5|50[0-9] Server Error'; then
  echo "could not download $label: is the network there? Run this again to go on"
elif says 'No matching distribution found'; then
  echo "there is no wheel of $(named 'No matching distribution found') for Python $python on $(uname -m); running this again does not help: $known. Put one of these first on PATH, remove .deps/venv and run this again"
elif says 'Failed building wheel|Failed to build|metadata-generation-failed|subprocess-exited-with-error|Getting requirements to build wheel did not run'; then
  package=$(named 'Failed building wheel'); [ -n "$package" ] || package=$label
  echo "$package could not be built from its source with Python $python; running this again does not help: $known. pip's output, which says what failed, is in $log"
else
  echo "could not install $label (pip's output is in $log): $(grep -E '^ERROR' "$log" | tail -n 1)"
fi
