#!/bin/bash
# How fast a node that lost its disk has its records again: one of three loses them, with KEYS records (default 1000000)
# on each, without a load. Over a C loop that copies a node's data within its engine (engine_copy.c), and for the memory
# backend over a Redis replica's full synchronisation; in turn, in one run, medians of ROUNDS (default 3).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source Tests/Benchmarks/functions.sh
rounds=${ROUNDS:-3}
keys=${KEYS:-1000000}
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait; rm -rf "$work"' EXIT

./martlet version >/dev/null
martlet=.build/release/martlet
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1  # as ./martlet has it
cc -O2 -Wall -Wextra -Werror -o "$work/engine_copy" Tests/Benchmarks/engine_copy.c -llmdb -lrocksdb

now() { date +%s.%N; }
# A number of a section of INFO; nothing if the server does not answer.
told() { redis-cli -p "$1" info "$2" 2>/dev/null | tr -d '\r' | sed -n "s/^$3://p"; }
await() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        [ $SECONDS -lt $end ] || { echo "resync.sh: no $* in time" >&2; exit 1; }
        sleep 0.1
    done
}

fill() { # PORT
    seq "$keys" | awk '{printf "SET key:%012d %s\r\n", $1, sprintf("%0100d", $1 * 7919)}' |
        redis-cli -p "$1" --pipe >"$work/filled"
    grep -q 'errors: 0' "$work/filled" || { cat "$work/filled" >&2; exit 1; }
}

is_serving() { [ "$(grep -c '^ready' "$work/out")" -ge "$1" ]; }
holds_all() { # PORT
    [ "$(told "$1" replicas partitions_caught_up)" = 64 ] && [ "$(told "$1" replicas catch_up_records_received)" -ge "$keys" ]
}

# Records a second of a wiped node, and CPU microseconds a record of all nodes.
resync() { # BACKEND
    local node start cpu pid
    {
        printf 'cluster: resync\npartitions: 64\nkeyspaces: [{name: default, n: 3, r: 2, w: 2}]\n'
        printf 'defaults: {storage: {backend: %s}, durability: %s}\nnodes:\n' "$1" \
            "$([ "$1" = memory ] && echo none || echo interval)"
        for node in 1 2 3; do printf '  - {name: n%s, listen: 127.0.0.1:%s}\n' $node $((21200 + node)); done
    } >"$work/resync.yaml"
    rm -rf "$work/data"
    $martlet launch "$work/resync.yaml" --supervise --data "$work/data" --log-level error >"$work/out" &
    cluster=$!
    pids+=($cluster)
    await 30 is_serving 3
    sleep 1
    fill 21201
    sleep 2  # what is under way to the third owner arrives
    pid=$(told 21203 server process_id)
    rm -rf "$work"/data/n3/*
    local others=("$(told 21201 server process_id)" "$(told 21202 server process_id)")
    cpu=$(ticks "${others[@]}")
    kill -9 "$pid"
    await 30 is_serving 4
    start=$(now)
    await 300 holds_all 21203
    rate=$(calculate "$keys / ($(now) - $start)")
    cost=$(calculate "($(ticks "${others[@]}" "$(told 21203 server process_id)") - $cpu) * 10000 / $keys")
}

copy() { # BACKEND
    local from
    from=$(dirname "$(find "$work/data/n1" -name "$([ "$1" = lmdb ] && echo data.mdb || echo CURRENT)")")
    rm -rf "$work/copy"
    read -r peer_rate peer_cost < <("$work/engine_copy" "$1" "$from" "$work/copy" |
        sed 's/.*records, \([0-9]*\) records.*cpu \([0-9.]*\) .*/\1 \2/')
}

is_linked() { [ "$(told "$1" replication master_link_status)" = up ]; }

# A Redis replica's full synchronisation.
redis_copy() {
    local master replica start cpu
    rm -f "$work/dump.rdb"  # of the round before
    redis-server --port 21211 --bind 127.0.0.1 --save '' --appendonly no --dir "$work" >/dev/null &
    master=$!
    redis-server --port 21212 --bind 127.0.0.1 --save '' --appendonly no --dir "$work" >/dev/null &
    replica=$!
    pids+=($master $replica)
    await 10 redis-cli -p 21212 ping >/dev/null 2>&1
    fill 21211
    redis-cli -p 21211 config set repl-diskless-sync-delay 0 >/dev/null
    cpu=$(ticks $master $replica)
    start=$(now)
    redis-cli -p 21212 replicaof 127.0.0.1 21211 >/dev/null
    await 300 is_linked 21212
    peer_rate=$(calculate "$keys / ($(now) - $start)")
    peer_cost=$(calculate "($(ticks $master $replica) - $cpu) * 10000 / $keys")
    kill $master $replica
    wait $master $replica 2>/dev/null
}

echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), load $(cut -d' ' -f1 /proc/loadavg)"
for backend in ${BACKENDS:-memory lmdb rocksdb}; do
    rates=() costs=() peer_rates=() peer_costs=() ratios=()
    for _ in $(seq "$rounds"); do
        resync "$backend"
        kill "$cluster"
        wait "$cluster" 2>/dev/null
        if [ "$backend" = memory ]; then redis_copy; else copy "$backend"; fi
        rates+=("$rate") costs+=("$cost") peer_rates+=("$peer_rate") peer_costs+=("$peer_cost")
        ratios+=("$(calculate "$rate / $peer_rate")")
    done
    echo "$backend: $keys records, $(median_of "${rates[@]}") a second, $(median_of "${costs[@]}") us each over all nodes;" \
        "$([ "$backend" = memory ] && echo "a Redis replica" || echo "a C loop")" \
        "$(median_of "${peer_rates[@]}") a second, $(median_of "${peer_costs[@]}") us; ratio $(median_of "${ratios[@]}")"
done
