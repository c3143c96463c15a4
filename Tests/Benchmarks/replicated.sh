#!/bin/bash
# The figures of Docs/benchmarks.md on clusters: three nodes with R=W=2 against a Redis with two asynchronous replicas,
# reads at one replica against one node alone, synced writes against three C loops at once. In turn, in one run, as
# ratios; medians of ROUNDS (default 5). CPU is utime + stime of all server processes per operation.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source Tests/Benchmarks/functions.sh
rounds=${ROUNDS:-5}
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait; rm -rf "$work"' EXIT

./martlet version >/dev/null
martlet=.build/release/martlet
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1  # as ./martlet has it; jemalloc in redis-server is not concerned

start_redis() { # PORT [replicaof PORT]
    redis-server --port "$1" --bind 127.0.0.1 --save '' --appendonly no --dir "$work" "${@:2}" >/dev/null &
    redis+=($!)
    pids+=($!)
    until redis-cli -p "$1" ping >/dev/null 2>&1; do sleep 0.05; done
}

# A cluster of NODES nodes from PORT on, all with one backend; $nodes are their processes.
start_martlet() { # PORT NODES BACKEND READS
    local node
    {
        printf 'cluster: c%s\nkeyspaces:\n  - {name: default, n: %s, r: %s, w: quorum}\n' "$1" "$2" "$4"
        printf 'defaults: {storage: {backend: %s}}\nnodes:\n' "$3"
        for node in $(seq "$2"); do printf '  - {name: n%s, listen: 127.0.0.1:%s}\n' "$node" $(($1 + node - 1)); done
    } >"$work/$1.yaml"
    rm -rf "$work/data$1"
    $martlet launch "$work/$1.yaml" --supervise --data "$work/data$1" --log-level error >"$work/out" &
    cluster=$!
    pids+=($cluster)
    until [ "$(grep -c '^ready' "$work/out")" = "$2" ]; do sleep 0.05; done
    sleep 1  # the nodes find each other
    mapfile -t nodes < <(pgrep -f -- "--supervisor $cluster")
}

stop_martlet() {
    kill "$cluster"
    wait "$cluster" 2>/dev/null
}

# Microseconds of CPU per operation of all PIDS under one redis-benchmark run.
cpu() { # PORT TEST PIPELINE PIDS...
    local before after operations=$(($3 == 1 ? 100000 : 1000000))
    before=$(ticks "${@:4}")
    redis-benchmark -p "$1" -t "$2" -n $operations -d 100 -r 100000 -c 50 -P "$3" --csv >"$work/csv"
    after=$(ticks "${@:4}")
    calculate "($after - $before) * 10000 / $operations"
}

# One line for a test at a pipeline: ours over theirs, in turn.
compare() { # TEXT TEST PIPELINE THEIR_NAME OUR_PORT THEIR_PORT
    local ratios=() our=() their=()
    for _ in $(seq "$rounds"); do
        their+=("$(cpu "$6" "$2" "$3" "${theirs[@]}")")
        our+=("$(cpu "$5" "$2" "$3" "${ours[@]}")")
        ratios+=("$(calculate "${our[-1]} / ${their[-1]}")")
    done
    echo "$1 $2 -P $3: martlet $(median_of "${our[@]}") us/op over all nodes, $4 $(median_of "${their[@]}") us/op," \
        "ratio $(median_of "${ratios[@]}")"
}

compare_with_replicas() {
    redis=()
    start_redis 21101
    start_redis 21102 --replicaof 127.0.0.1 21101
    start_redis 21103 --replicaof 127.0.0.1 21101
    start_martlet 21111 3 memory quorum
    local test pipeline
    ours=("${nodes[@]}") theirs=("${redis[@]}")
    for test in set get; do
        for pipeline in 1 16; do
            compare "three nodes, R=W=2," $test $pipeline "redis with two replicas" 21111 21101
        done
    done
    stop_martlet
    kill "${redis[@]}"
}

# A read at level `one` is answered by the node that it came to.
compare_reads_at_one() {
    start_martlet 21121 1 memory one
    local alone=$cluster pipeline
    theirs=("${nodes[@]}")
    redis-benchmark -p 21121 -t set -n 500000 -d 100 -r 100000 -c 50 -P 16 --csv >/dev/null
    start_martlet 21131 3 memory one
    ours=("${nodes[@]}")
    redis-benchmark -p 21131 -t set -n 500000 -d 100 -r 100000 -c 50 -P 16 --csv >/dev/null
    for pipeline in 1 16; do compare "three nodes, R=1," get $pipeline "one node alone" 21131 21121; done
    stop_martlet
    kill "$alone"
}

# Writes a second of three nodes that sync, over those of three C loops that write such batches at once.
compare_synced() { # BACKEND
    local pipeline
    for pipeline in 1 16; do
        local rates=() ratios=() batches=() rate batch loop
        for _ in $(seq "$rounds"); do
            start_martlet 21141 3 "$1" quorum
            rate=$(redis-benchmark -p 21141 -t set -n $((50000 * (pipeline == 1 ? 1 : 4))) -d 100 -r 100000 -c 50 \
                -P $pipeline --csv | tail -n 1 | tr -d '"' | cut -d, -f2)
            batch=$(redis-cli -p 21141 info martlet | tr -d '\r' | awk -F: '
                /commit_operations/ {operations = $2} /commit_syncs/ {syncs = $2} END {printf "%d", operations / syncs}')
            stop_martlet
            loop=$(for node in 1 2 3; do
                rm -rf "$work/loop$node"
                Tests/Benchmarks/engine-loop "$1" "$work/loop$node" --ops $((batch * 1000)) --batch "$batch" \
                    --sync always --mix set &
            done | sed 's/.*op, \([0-9]*\) ops.*/\1/' | median)
            rates+=("$rate") batches+=("$batch") ratios+=("$(calculate "$rate / $loop")")
        done
        echo "three nodes on $1, always, set -P $pipeline: $(median_of "${rates[@]}") writes/s in batches of" \
            "$(median_of "${batches[@]}"), $(median_of "${ratios[@]}") of three C loops at once"
    done
}

echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), load $(cut -d' ' -f1 /proc/loadavg)"
for part in ${PARTS:-redis one lmdb rocksdb}; do
    case $part in
    redis) compare_with_replicas ;;
    one) compare_reads_at_one ;;
    *) compare_synced "$part" ;;
    esac
done
