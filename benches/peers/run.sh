#!/usr/bin/env bash
# run.sh [ROUNDS [WORKDIR]]: this gateway and its peers on the same events, in turn, so that a disturbance of the machine meets all alike; then one table.
# Installs what is missing: PostgreSQL 15 (Debian) and a virtual environment of Python. BENCH= names the built bench binary; PEERS=0 measures the
# gateway alone, and installs nothing but orjson.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
rounds=${1:-5}
work=${2:-${CARGO_TARGET_DIR:-$here/../../target}/peers}
mkdir -p "$work"
# PostgreSQL runs as its own user, and must be able to reach its directory.
chmod a+x "$work"
work=$(cd "$work" && pwd)

bench=${BENCH:-}
if [ -z "$bench" ]; then
    bench=$(cd "$here" && cargo bench --locked ${FAST:-} --bench gateway --no-run --message-format=json |
        sed -n 's/.*"executable":"\([^"]*gateway[^"]*\)".*/\1/p' | tail -1)
fi
peers=${PEERS:-1}
if [ "$peers" = 1 ] && [ ! -x /usr/lib/postgresql/15/bin/postgres ]; then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends postgresql-15
fi
python=$work/venv/bin/python
[ -x "$python" ] || python3 -m venv "$work/venv"
wanted=$here/requirements.txt
if [ "$peers" != 1 ]; then
    grep '^orjson' "$wanted" >"$work/wanted.txt"
    wanted=$work/wanted.txt
fi
"$work/venv/bin/pip" install --quiet --requirement "$wanted"

events=$work/events.ndjson
small=$work/small.ndjson
[ -x "$work/gen" ] || rustc --edition 2021 -O "$here/gen.rs" -o "$work/gen"
[ -f "$events" ] || "$work/gen" --rows "${ROWS:-1000000}" --out "$events"
[ -f "$small" ] || "$work/gen" --rows 600000 --tenants 10000 --active 4000 --days 1 --out "$small"
"$bench" tsdb map "$events" "$work/requests"
"$bench" tsdb map "$events" "$work/requests-100" --batch 100
"$bench" tsdb map "$small" "$work/requests-small"
session=$("$python" "$here/pick.py" "$events")

results=$work/results.jsonl
: >"$results"
failed=0
# Nobody watches: what fails or hangs is said and left out, and the rounds go on.
measure() {
    echo "  $(date +%H:%M:%S) $*" >&2
    if timeout "${PATIENCE:-1800}" "$@" >"$work/measured.jsonl"; then
        cat "$work/measured.jsonl" >>"$results"
    else
        echo "  FAILED ($?): $*" >&2
        failed=$((failed + 1))
    fi
}

measure_peers() { # COMMAND ENGINES
    local command=$1 engines=$2 engine
    [ "$peers" = 1 ] || return 0
    for engine in $engines; do
        case $command in
        load) measure "$python" "$here/peer.py" load "$engine" "$events" "$work/db-$engine" ;;
        query) measure "$python" "$here/peer.py" query "$engine" "$work/db-$engine" "$session" ;;
        batch) measure "$python" "$here/peer.py" batch "$engine" "$events" "$work/db-batch-$engine" ;;
        esac
    done
}

if [ "$peers" = 1 ]; then measure "$python" "$here/peer.py" tenants "$small"; fi
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    measure "$bench" tsdb load "$work/requests" "$work/db-ours"
    measure_peers load "chdb duckdb postgres"
    measure "$bench" tsdb query "$work/db-ours" --session "$session" --answers
    measure_peers query "chdb duckdb postgres"
    measure "$bench" tsdb load "$work/requests-100" "$work/db-batch" --journal-only --in-flight 1 --requests 2000
    measure_peers batch "chdb postgres"
    measure "$bench" tsdb replay "$work/requests" "$work/db-replay"
    measure "$bench" tsdb load "$work/requests-small" "$work/db-small"
    measure "$bench" tsdb http "$work/requests" "$work/db-http"
    measure "$bench" tsdb erase "$work/db-ours"
    measure "$bench" tsdb shred "$work/db-ours"
    measure "$bench" tsdb drop "$work/db-ours"
done
"$python" "$here/table.py" "$results"
if [ "$failed" -gt 0 ]; then
    echo "$failed measurements failed: the medians are of fewer rounds" >&2
    exit 1
fi
