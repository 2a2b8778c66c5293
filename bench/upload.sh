#!/usr/bin/env bash
# How fast a long upload is beside nginx (its DAV module; packages nginx-light and curl): `curl -T` of the same file to both on
# the same disk, in turns, each until the file is on the disk (`sync FILE`; our server has flushed it before its answer, and
# has computed its SHA-256, too). Prints nginx's time over ours, the median of the turns, and how the server's memory grew.
#
#   bench/upload.sh [--bytes 1000000000] [--turns 5] [--folder DIR]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bytes=1000000000 turns=5 parent=${TMPDIR:-/tmp}
while [ $# -gt 0 ]; do
  case $1 in
    --bytes) bytes=$2 ;;
    --turns) turns=$2 ;;
    --folder) parent=$2 ;;
    *) echo "upload: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
for program in nginx curl; do
  command -v $program >/dev/null || { echo "upload: $program is missing: apt-get install nginx-light curl" >&2; exit 1; }
done
build=${STEMSMITH_BUILD_DIR:-build/release}
if [ -z "${STEMSMITH_BUILD_DIR:-}" ]; then ./tools/build.sh release upload_server; fi
server=$(find "$build" -name upload_server -type f | head -n 1)
folder=$(mktemp -d "$parent/upload.XXXXXX")
mkdir "$folder/ours" "$folder/nginx" "$folder/body"
trap 'exec 3>&-; [ ! -f "$folder/pid" ] || kill "$(cat "$folder/pid")"; sleep 0.3; rm -rf "$folder"' EXIT
head -c "$bytes" /dev/urandom > "$folder/song"
cat > "$folder/nginx.conf" <<CONF
daemon off;
pid $folder/pid;
error_log $folder/error.log;
user $(id -un);
events {}
http {
  access_log off;
  client_body_temp_path $folder/body;
  client_max_body_size 0;
  server { listen 127.0.0.1:18081; root $folder/nginx; location / { dav_methods PUT; } }
}
CONF
nginx -q -c "$folder/nginx.conf" &
mkfifo "$folder/input"
"$server" 18080 "$folder/ours" < "$folder/input" &
exec 3> "$folder/input"
until curl -sf http://127.0.0.1:18080/memory >/dev/null && [ -s "$folder/pid" ]; do sleep 0.1; done
head -c 10000000 "$folder/song" | curl -sf -o /dev/null -T - http://127.0.0.1:18080/warm  # everything is loaded
read -r before <<< "$(curl -sf http://127.0.0.1:18080/memory | cut -d ' ' -f 1)"
# Seconds until the song is at the port and on the disk.
seconds() {
  rm -f "$2"
  local begin=$EPOCHREALTIME
  curl -sf -o /dev/null -T "$folder/song" "http://127.0.0.1:$1/song"
  sync "$2"
  awk -v begin="$begin" -v end="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", end - begin }'
}
sync "$folder/song"
for turn in $(seq "$turns"); do
  nginx=$(seconds 18081 "$folder/nginx/song")
  ours=$(seconds 18080 "$folder/ours/song")
  cmp "$folder/song" "$folder/ours/song"
  ratio=$(awk -v a="$nginx" -v b="$ours" 'BEGIN { printf "%.2f", a / b }')
  echo "turn $turn: nginx $nginx s, ours $ours s, ratio $ratio"
  echo "$ratio" >> "$folder/ratios"
done
read -r now most <<< "$(curl -sf http://127.0.0.1:18080/memory)"
echo "median ratio $(sort -n "$folder/ratios" | awk '{ r[NR] = $1 } END { print r[int((NR + 1) / 2)] }')," \
  "memory $before KiB before, $now KiB after, at most $most KiB"
