#!/bin/bash
# The figures of Docs/benchmarks.md: Martlet against Redis and against a C loop over the same engine, in turn, in one
# run, as ratios; medians of ROUNDS (default 5). CPU is utime + stime of the server process per operation.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source Tests/Benchmarks/functions.sh
rounds=${ROUNDS:-5}
work=$(mktemp -d)
pids=()
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT

./martlet version >/dev/null
martlet=.build/release/martlet
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1  # as ./martlet has it; jemalloc in redis-server is not concerned

resident() { awk '{print $24 * 4096}' "/proc/$1/stat"; }

start_redis() { # PORT
    redis-server --port "$1" --bind 127.0.0.1 --save '' --appendonly no --dir "$work" >/dev/null &
    redis=$!
    pids+=($redis)
    until redis-cli -p "$1" ping >/dev/null 2>&1; do sleep 0.05; done
}

start_martlet() { # PORT BACKEND DURABILITY
    printf 'cluster: figures\nnodes:\n  - name: %s\n    listen: 127.0.0.1:%s\n    durability: %s\n    storage:\n      backend: %s\n' \
        "$2-$3" "$1" "$3" "$2" >"$work/node.yaml"
    $martlet launch "$work/node.yaml" --data "$work/data" --log-level error >"$work/out" &
    node=$!
    pids+=($node)
    until grep -q '^ready' "$work/out"; do sleep 0.05; done
}

# Microseconds of CPU per operation of process PID under one redis-benchmark run.
cpu() { # PID PORT TEST PIPELINE OPERATIONS
    local before after
    before=$(ticks "$1")
    redis-benchmark -p "$2" -t "$3" -n "$5" -d 100 -r 100000 -c 50 -P "$4" --csv >"$work/csv"
    after=$(ticks "$1")
    calculate "($after - $before) * 10000 / $5"
}

compare_with_redis() {
    start_redis 21001
    start_martlet 21002 memory none
    for test in set get; do
        for pipeline in 1 16; do
            local operations=$((pipeline == 1 ? 200000 : 2000000)) ratios=() ours=() theirs=()
            for _ in $(seq "$rounds"); do
                theirs+=("$(cpu $redis 21001 $test $pipeline $operations)")
                ours+=("$(cpu $node 21002 $test $pipeline $operations)")
                ratios+=("$(calculate "${ours[-1]} / ${theirs[-1]}")")
            done
            echo "memory $test -P $pipeline: martlet $(printf '%s\n' "${ours[@]}" | median) us/op, redis" \
                "$(printf '%s\n' "${theirs[@]}" | median) us/op, ratio $(printf '%s\n' "${ratios[@]}" | median)"
        done
    done
    kill -9 $redis $node
    wait $redis $node 2>/dev/null
}

# Resident bytes per key after a million keys of 16 B with 100 B values, over those of the empty server.
compare_memory() {
    start_redis 21003
    start_martlet 21004 memory none
    local name before
    for name in redis martlet; do
        local pid=$redis port=21003
        [ $name = martlet ] && pid=$node port=21004
        before=$(resident $pid)
        python3 - <<'PYTHON' | redis-cli -p $port --pipe >/dev/null
import sys
value = "v" * 100
for number in range(1000000):
    key = "key:%012d" % number
    sys.stdout.write(f"*3\r\n$3\r\nSET\r\n$16\r\n{key}\r\n$100\r\n{value}\r\n")
PYTHON
        echo "$name: $((($(resident $pid) - before) / 1000000)) B per key, $(redis-cli -p $port dbsize) keys," \
            "$(($(resident $pid) >> 20)) MiB resident"
    done
    kill -9 $redis $node
    wait $redis $node 2>/dev/null
}

# The C loop's CPU per operation, run by COMMAND if one is given.
loop_cpu() { # BACKEND BATCH TEST [COMMAND...]
    local backend=$1 batch=$2 test=$3
    shift 3
    rm -rf "$work/loop"
    "$@" Tests/Benchmarks/engine-loop "$backend" "$work/loop" --ops 500000 --batch "$batch" --sync none --mix "$test" |
        sed 's/.*cpu \([0-9.]*\) us.*/\1/'
}

# What a node costs over the C loop that does the same on the engine, at the batches seen: the loop with the machine to
# itself, and with a client as busy as the node's on the other core, since cores share caches and memory.
compare_with_engine() { # BACKEND
    start_martlet 21005 "$1" none
    start_redis 21008
    taskset -pc 1 $redis >/dev/null
    redis-benchmark -p 21005 -t set -n 500000 -d 100 -r 100000 -c 50 -P 16 --csv >/dev/null
    local test batch client ours alone beside
    batch=$(redis-cli -p 21005 info martlet | tr -d '\r' |
        awk -F: '/^commits/ {commits = $2} /commit_operations/ {printf "%d", $2 / commits}')
    for test in set get; do
        ours=() alone=() beside=()
        for _ in $(seq "$rounds"); do
            ours+=("$(cpu $node 21005 $test 16 1000000)")
            alone+=("$(loop_cpu "$1" "$batch" $test)")
            taskset -c 1 redis-benchmark -p 21008 -t $test -n 1000000000 -d 100 -r 100000 -c 50 -P 16 --csv >/dev/null &
            client=$!
            beside+=("$(loop_cpu "$1" "$batch" $test taskset -c 0)")
            kill $client
            wait $client 2>/dev/null
        done
        echo "$1 $test -P 16, durability none, $batch writes a commit: martlet $(median_of "${ours[@]}") us/op," \
            "C loop $(median_of "${alone[@]}") alone, $(median_of "${beside[@]}") beside a client"
    done
    kill -9 $node $redis
    wait $node $redis 2>/dev/null
}

# Under `always`: writes per sync, throughput against the C loop at that batch, and p99 against that of our own commits.
compare_synced() { # BACKEND
    local rates=() ratios=() p99s=() batches=() rate p99 batch commit loop
    for _ in $(seq "$rounds"); do
        rm -rf "$work/data" "$work/loop"
        start_martlet 21006 "$1" always
        read -r rate p99 < <(redis-benchmark -p 21006 -t set -n 100000 -d 100 -r 100000 -c 50 -P 1 --csv |
            tail -n 1 | tr -d '"' | awk -F, '{print $2, $7 * 1000}')
        read -r batch commit < <(redis-cli -p 21006 info martlet | tr -d '\r' | awk -F: '
            /commit_operations/ {operations = $2} /commit_syncs/ {syncs = $2} /commit_p99/ {p99 = $2}
            END {printf "%.1f %d\n", operations / syncs, p99}')
        kill -9 $node
        wait $node 2>/dev/null
        loop=$(Tests/Benchmarks/engine-loop "$1" "$work/loop" --ops 100000 --batch "${batch%.*}" --sync always \
            --mix set | sed 's/.*op, \([0-9]*\) ops.*/\1/')
        rates+=("$rate") batches+=("$batch")
        ratios+=("$(calculate "$rate / $loop")") p99s+=("$(calculate "$p99 / $commit")")
    done
    echo "$1 set -P 1, durability always: $(median_of "${batches[@]}") writes per sync, $(median_of "${rates[@]}")" \
        "writes/s, $(median_of "${ratios[@]}") of the C loop; p99 $(median_of "${p99s[@]}") of the commits' p99"
}

idle_connections() {
    start_martlet 21007 memory none
    python3 - $node <<'PYTHON'
import resource, socket, sys, time
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
count = min(9990, hard - 100)
def resident(): return int(open(f"/proc/{sys.argv[1]}/stat").read().split()[23]) * 4096
before = resident()
sockets = [socket.create_connection(("127.0.0.1", 21007)) for _ in range(count)]
for s in sockets: s.sendall(b"PING\r\n")
for s in sockets: s.recv(16)
print(f"{count} idle connections: {(resident() - before) / 1e6:.1f} MB over the empty node")
PYTHON
    kill -9 $node
    wait $node 2>/dev/null
}

echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), load $(cut -d' ' -f1 /proc/loadavg)"
for part in ${PARTS:-redis memory lmdb rocksdb idle}; do
    case $part in
    redis) compare_with_redis ;;
    memory) compare_memory ;;
    idle) idle_connections ;;
    *)
        compare_with_engine "$part"
        compare_synced "$part"
        ;;
    esac
done
