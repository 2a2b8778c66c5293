#!/usr/bin/env bash
# Runs tools/demo.sh --fast and tools/test.sh of the current commit on another release of Debian: in a root that
# debootstrap makes from the mirror of this machine's own apt sources. Wants to be run as root, and leaves the machine
# as it is: all mounts and processes are in namespaces of their own and end with the script, however it ends.
#
#   tools/check_debian.sh trixie          about 12 GB of disk and, on 2 cores, an hour
#   tools/check_debian.sh trixie --keep   leaves the root there for the next run, which takes minutes where little changed
#
#   --root DIR      where the root is made, or lies since a run with --keep (default: out/debian/SUITE)
#   --only STAGE    demo or test alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/stages.sh
fail() { printf 'check_debian: %s\n' "$*" >&2; exit 2; }

# ---------------------------------------------------------------- the root
make_root() {
  [ ! -e "$root/.stemsmith-root" ] || return 0
  local mirror
  mirror=$(tools/debian_mirror.sh) || fail "no Debian mirror found in this machine's apt sources"
  mkdir -p "$root"
  debootstrap --variant=minbase --include=ca-certificates,git "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    fail "debootstrap failed: $(tail -n 1 "$root.log") (its output is in $root.log)"
  rm -f "$root.log"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"  # packages start no services
  chmod +x "$root/usr/sbin/policy-rc.d"
  touch "$root/.stemsmith-root"
}

# How this machine reaches package registries: name servers, certificates, proxies, settings of apt, pip and npm.
carry_network_in() {
  local file to
  for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/npmrc ~/.npmrc ~/.pip ~/.config/pip; do
    [ -e "$file" ] || continue
    to=$root$file
    case "$file" in "$HOME"/*) to=$root/root${file#"$HOME"} ;; esac
    mkdir -p "$(dirname "$to")"
    rm -rf "$to"
    cp -rL "$file" "$to"
  done
  apt-config dump --format '%F "%v";%n' | grep -iE '^Acquire::(https?|ftp)::.+ "[^"]' >"$root/etc/apt/apt.conf.d/95machine" || true
  if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    cp -L /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1
  fi
}

mount_devices() {
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
}

# The current commit; what set-up and builds of earlier runs left there stays.
clone() {
  local to=$root/stemsmith
  [ -e "$to/.git" ] || git init -q "$to"
  git -C "$to" fetch -q "$PWD" "$commit"
  git -C "$to" checkout -q --force --detach FETCH_HEAD
  git -C "$to" clean -qfd
}

# run_there COMMAND…: in the clone; of this machine's environment, only how it reaches the network.
run_there() {
  local settings=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
                  DEBIAN_FRONTEND=noninteractive)
  local network='(https?|ftp|all|no)_proxy|PIP_(INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|CERT|PROXY|DEFAULT_TIMEOUT|RETRIES)'
  network+='|NPM_CONFIG_[A-Z_]*|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE'
  mapfile -t -O ${#settings[@]} settings < <(env | grep -iE "^($network)=")
  chroot "$root" env -i "${settings[@]}" sh -c 'cd /stemsmith && exec "$@"' sh "$@"
}

# This script again, where its mounts and processes end with it.
in_namespace() {
  local namespace status=0
  [ ! -e "$root" ] || [ -z "$(ls -A "$root")" ] || [ -e "$root/.stemsmith-root" ] ||
    fail "$root holds something else, or a root that was cut off: remove it, or give another --root"
  mkdir -p "$(dirname "$root")"
  exec 9>"$root.lock"
  flock --nonblock 9 || fail "another run uses $root"
  env STEMSMITH_IN_NAMESPACE=1 unshare --mount --pid --fork --kill-child --propagation private "$BASH" tools/check_debian.sh "$@" &
  namespace=$!
  trap 'kill -KILL $namespace; rm -f "$root.log"; status=130' INT TERM
  wait $namespace || [ $status -ne 0 ] || status=$?
  wait $namespace 2>/dev/null || true
  rm -f "$root.lock"
  if [ "$keep" = 1 ]; then
    echo "The root is kept in $root."
  else
    rm -rf --one-file-system "$root"
  fi
  return $status
}

# ---------------------------------------------------------------- the run
main() {
  suite='' root='' keep=0 release='' verdict=FAILED
  local scripts=("demo.sh --fast" test.sh) arguments=("$@") script
  while [ $# -gt 0 ]; do
    case "$1" in
      -h|--help) sed -n '2,10p' tools/check_debian.sh | sed 's/^# \{0,1\}//'; exit 0 ;;
      --keep) keep=1 ;;
      --root) [ $# -gt 1 ] || fail "--root needs a folder"; root=$(cd "$OLDPWD" && realpath -m "$2"); shift ;;
      --only)
        case "${2:-}" in demo) scripts=("demo.sh --fast") ;; test) scripts=(test.sh) ;; *) fail "--only takes demo or test" ;; esac
        shift ;;
      -*) fail "unknown option '$1'; see tools/check_debian.sh --help" ;;
      *) [ -z "$suite" ] || fail "one release at a time"; suite=$1 ;;
    esac
    shift
  done
  [ -n "$suite" ] || fail "which release? tools/check_debian.sh trixie"
  [ "$(id -u)" -eq 0 ] || fail "only root may make a root and mount its devices: run it with sudo"
  for script in debootstrap unshare; do
    command -v $script >/dev/null || fail "$script is missing: apt-get install debootstrap util-linux"
  done
  root=${root:-$PWD/out/debian/$suite}
  if [ -z "${STEMSMITH_IN_NAMESPACE:-}" ]; then
    in_namespace "${arguments[@]}" --root "$root"
    exit
  fi
  commit=$(git rev-parse HEAD)
  [ -z "$(git status --porcelain)" ] || echo "check_debian: what is not committed is left out" >&2
  trap 'report_stages; [ -z "$release" ] || echo "$verdict on $release, commit ${commit:0:12}"' EXIT

  stage "Root of $suite"
  make_root
  carry_network_in
  mount_devices
  release=$(. "$root/etc/os-release"; echo "$PRETTY_NAME")
  clone
  stage "tools/setup.sh --tests"
  run_there ./tools/setup.sh --tests
  verdict=PASSED
  for script in "${scripts[@]}"; do
    stage "tools/$script"
    # shellcheck disable=SC2086
    run_there ./tools/$script || { verdict=FAILED; end_stage FAILED; }
  done
  end_stage
  [ "$verdict" = PASSED ]
}
# Read to its end before it begins, so that it may change meanwhile.
main "$@"; exit
