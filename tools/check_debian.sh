#!/usr/bin/env bash
# Runs tools/demo.sh --fast and tools/test.sh of the current commit on another release of Debian: in a root that
# debootstrap makes from this machine's own mirror. Needs to run as root; leaves the machine as it is (all mounts
# lie in a namespace of their own and end with the script, however it ends).
#
#   tools/check_debian.sh trixie              about 6 GB of disk and, on 2 cores, an hour
#   tools/check_debian.sh trixie --keep       leaves the root there, for the next run: a few minutes where little changed
#
#   --root DIR      where the root is made, or lies since a run with --keep (default: out/debian/SUITE)
#   --only STAGE    only demo or only test, after root, clone and set-up
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
usage() { sed -n '2,10p' "$0" | sed 's/^# \{0,1\}//'; }
fail() { printf 'check_debian: %s\n' "$*" >&2; exit 2; }

suite='' root='' keep=0 stages=(demo test)
while [ $# -gt 0 ]; do
  case "$1" in
    -h|--help) usage; exit 0 ;;
    --keep) keep=1 ;;
    --root) root=${2:?"--root needs a folder"}; shift ;;
    --only)
      case "${2:-}" in demo|test) stages=("$2") ;; *) fail "--only takes demo or test" ;; esac
      shift ;;
    -*) fail "unknown option '$1'; see tools/check_debian.sh --help" ;;
    *) [ -z "$suite" ] || fail "one suite at a time"; suite=$1 ;;
  esac
  shift
done
[ -n "$suite" ] || { usage >&2; exit 2; }
[ "$(id -u)" -eq 0 ] || fail "only root may make a root with its devices: run it with sudo"
for program in debootstrap unshare; do
  command -v $program >/dev/null || fail "$program is missing: apt-get install debootstrap util-linux"
done
commit=$(git rev-parse HEAD)
[ -z "$(git status --porcelain)" ] || echo "check_debian: changes that are not committed are left out" >&2

# From here on in namespaces of our own: what is mounted, and every process that is left, ends with this script.
if [ -z "${STEMSMITH_CHECK_NAMESPACE:-}" ]; then
  arguments=("$suite"); [ -z "$root" ] || arguments+=(--root "$root")
  [ "$keep" = 0 ] || arguments+=(--keep)
  [ ${#stages[@]} -eq 2 ] || arguments+=(--only "${stages[0]}")
  exec env STEMSMITH_CHECK_NAMESPACE=1 unshare --mount --pid --fork --kill-child --propagation private \
    "$PWD/tools/check_debian.sh" "${arguments[@]}"
fi
root=$(realpath -m "${root:-out/debian/$suite}")
made="$root/.stemsmith-root"  # debootstrap came to its end here

# ---------------------------------------------------------------- stages
times=()
# stage NAME COMMAND…: runs it, notes its seconds; its exit status is the command's.
stage() {
  local name=$1 started=$SECONDS status=0; shift
  printf '\n\033[1m== %s: %s\033[0m\n' "$suite" "$name"
  "$@" || status=$?
  times+=("$(printf '%-18s %6d s  %s' "$name" $((SECONDS - started)) "$([ $status -eq 0 ] && echo passed || echo "FAILED ($status)")")")
  return $status
}

clean_up() {
  [ "$keep" = 1 ] && return
  umount -R "$root"/{proc,sys,dev} 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

make_root() {
  if [ ! -e "$made" ]; then
    [ ! -e "$root" ] || [ -z "$(ls -A "$root")" ] ||
      { echo "$root holds something else, or a root that is not whole: remove it, or give another --root" >&2; keep=1; return 1; }
    local mirror
    mirror=$(tools/debian_mirror.sh) || { echo "no Debian mirror found in this machine's apt sources" >&2; return 1; }
    mkdir -p "$root"
    debootstrap --variant=minbase --include=ca-certificates,git "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
      { echo "debootstrap failed; the end of its output ($root.log):" >&2; tail -n 5 "$root.log" >&2; return 1; }
    rm -f "$root.log"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"  # packages start no services
    chmod +x "$root/usr/sbin/policy-rc.d"
    touch "$made"
  fi
  carry_network_in
  mount -t proc proc "$root/proc" && mount -t sysfs -o ro sysfs "$root/sys" && mount --rbind /dev "$root/dev" &&
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
}

# How this machine reaches package registries: name servers, certificates, proxies, settings of apt, pip and npm.
carry_network_in() {
  local file
  for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/npmrc ~/.npmrc ~/.pip ~/.config/pip; do
    [ -e "$file" ] || continue
    local to=$root$file
    case "$file" in "$HOME"/*) to=$root/root${file#"$HOME"} ;; esac
    mkdir -p "$(dirname "$to")"
    rm -rf "$to"
    cp -rL "$file" "$to"
  done
  apt-config dump --format '%F "%v";%n' 2>/dev/null | grep -iE '^Acquire::(https?|ftp)::.*[^"]' |
    grep -v '"";$' >"$root/etc/apt/apt.conf.d/95machine" || true
  if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
    cp -L /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1
  fi
}

# The current commit; what set-up and builds of earlier runs left there stays.
clone() {
  local to=$root/stemsmith
  [ -e "$to/.git" ] || git init -q "$to"
  git -C "$to" fetch -q "$PWD" "$commit" && git -C "$to" checkout -q --force --detach FETCH_HEAD && git -C "$to" clean -qfd
}

# run_there COMMAND…: in the clone, with nothing of this machine's environment but its settings of the network.
run_there() {
  local settings=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
                  DEBIAN_FRONTEND=noninteractive)
  mapfile -t -O ${#settings[@]} settings < <(env | grep -iE '^((https?|ftp|all|no)_proxy|PIP_[A-Z_]*|NPM_CONFIG_[A-Z_]*|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE)=')
  chroot "$root" env -i "${settings[@]}" sh -c 'cd /stemsmith && exec "$@"' sh "$@"
}

verdict=0
stage root make_root && stage clone clone && stage set-up run_there ./tools/setup.sh --tests || verdict=1
if [ $verdict -eq 0 ]; then
  for name in "${stages[@]}"; do
    command=(./tools/demo.sh --fast); [ "$name" = demo ] || command=(./tools/test.sh)
    stage "${command[*]#./tools/}" run_there "${command[@]}" || verdict=1
  done
fi

release=$(. "$root/etc/os-release" 2>/dev/null && echo "$PRETTY_NAME" || echo "$suite")
printf '\n== %s, commit %s\n' "$release" "${commit:0:12}"
printf '   %s\n' "${times[@]}"
[ "$keep" = 0 ] || echo "   root kept in $root"
if [ $verdict -eq 0 ]; then echo "PASSED on $release"; else echo "FAILED on $release"; fi
exit $verdict
