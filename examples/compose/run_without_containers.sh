#!/usr/bin/env bash
# Runs what compose.yaml describes on this machine alone: PostgreSQL, a server without workers, two workers, and nginx by
# nginx.conf.template. Uploads a song through nginx, follows its events, downloads a stem, and compares it with what
# `separate` writes. Ends with 1 where something differs, 77 where PostgreSQL, nginx or curl is missing.
#
#   examples/compose/run_without_containers.sh       STEMSMITH_BUILD_DIR names the build (build/release)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
bin=$(cd "${STEMSMITH_BUILD_DIR:-build/release}/bin" && pwd)
postgres=$(find /usr/lib/postgresql -name postgres -path '*/bin/*' 2>/dev/null | sort -V | tail -n 1 | xargs -r dirname)
for program in "$postgres/postgres" nginx curl; do
  command -v "$program" >/dev/null || { echo "error: ${program#/} is missing: apt-get install postgresql nginx-light curl" >&2; exit 77; }
done
folder=$(mktemp -d)
chmod 755 "$folder"
processes=()
finish() {
  local process
  for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap finish EXIT
fail() { echo "error: $*" >&2; tail -n 5 "$folder"/*.log >&2; exit 1; }
until_true() {  # COMMAND…: within 30 s
  local i
  for i in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
  fail "not within 30 s: $*"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# PostgreSQL, reached by a socket in the folder; it does not run as root.
as_other=()
[ "$(id -u)" -ne 0 ] || as_other=(setpriv --reuid=nobody --regid=65534 --clear-groups)
install -d -m 777 "$folder/postgres"
(cd / && "${as_other[@]}" "$postgres/initdb" --no-sync --auth=trust --username=stemsmith --pgdata="$folder/postgres/data" >/dev/null)
(cd / && exec "${as_other[@]}" "$postgres/postgres" -D "$folder/postgres/data" -k "$folder/postgres" -c listen_addresses= >"$folder/postgres.log" 2>&1) &
processes+=($!)
until_true "$postgres/pg_isready" -h "$folder/postgres"
database="postgresql://stemsmith@/postgres?host=$folder/postgres"

# The server and its workers, as in compose.yaml.
"$bin/make_tiny_onnx" "$folder/model.onnx" 44100 0.5 0.25 0.125 0.0625
export STEMSMITH_TOKEN=a-token-for-this-run-alone XDG_DATA_HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent
server_port=$(free_port) port=$(free_port)
"$bin/stemsmith" serve --host 0.0.0.0 --port "$server_port" --data "$folder/data" --workers 0 --allow-host stems.example \
  --database "$database" --model "$folder/model.onnx" --quiet >"$folder/server.log" 2>&1 &
processes+=($!)
until_true curl -fsS "http://127.0.0.1:$server_port/api/v1/health"
for worker in 1 2; do
  env -u STEMSMITH_TOKEN "$bin/stemsmith" serve --worker --data "$folder/data" --database "$database" --model "$folder/model.onnx" --quiet \
    >"$folder/worker$worker.log" 2>&1 &
  processes+=($!)
done

# nginx: its image includes the filled template in a configuration like this one.
sed -e "s/\${STEMSMITH_LISTEN}/127.0.0.1:$port/" -e "s/\${STEMSMITH_SERVER}/127.0.0.1:$server_port/" "$here/nginx.conf.template" >"$folder/default.conf"
{
  echo "pid $folder/nginx.pid; daemon off; error_log $folder/nginx.log; events {}"
  [ "$(id -u)" -ne 0 ] || echo "user $(id -un);"
  echo "http { access_log off;"
  for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $folder/$kind;"; done
  echo "include $folder/default.conf; }"
} >"$folder/nginx.conf"
nginx -t -q -c "$folder/nginx.conf" -e "$folder/nginx.log" || fail "nginx does not take nginx.conf.template"
nginx -c "$folder/nginx.conf" -e "$folder/nginx.log" &
processes+=($!)
# As people reach it: by a name, with the token. Browsers send the origin with its port.
url=http://stems.example:$port
ask() { curl -sS --max-time 60 --resolve "stems.example:$port:127.0.0.1" -H "Authorization: Bearer $STEMSMITH_TOKEN" -H "Origin: $url" "$@"; }
until_true ask -f "$url/api/v1/health"

python3 - "$folder/song.wav" <<'PYTHON'
import math, struct, sys, wave
with wave.open(sys.argv[1], "wb") as song:
    song.setparams((2, 2, 44100, 0, "NONE", ""))
    song.writeframes(b"".join(struct.pack("<hh", value, -value) for value in (int(9000 * math.sin(i / 20)) for i in range(3 * 44100))))
PYTHON
[ "$(curl -s -o /dev/null -w '%{http_code}' --resolve "stems.example:$port:127.0.0.1" "$url/api/v1/jobs")" = 401 ] || fail "nothing is demanded of strangers"
job=$(ask -f -H 'Content-Type: application/octet-stream' --data-binary @"$folder/song.wav" "$url/api/v1/jobs?name=song.wav" |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
# Events come while they happen, not when nginx has enough of them.
ask -N "$url/api/v1/jobs/$job/events" >"$folder/events" 2>/dev/null &
events=$!
until_true grep -q '"state":"done"' "$folder/events"
kill "$events" 2>/dev/null || true
ask -f -o "$folder/vocals.flac" "$url/api/v1/jobs/$job/files/vocals.flac"
"$bin/separate" "$folder/model.onnx" "$folder/song.wav" --out "$folder/stems" --format flac --quiet
cmp "$folder/vocals.flac" "$folder/stems/song/vocals.flac" || fail "the stem is not what separate writes"
echo "uploaded, separated by one of two workers ($(grep -c '^event: job' "$folder/events") events), downloaded: equal to what separate writes"
