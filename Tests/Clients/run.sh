#!/bin/bash
# Real clients against each backend: redis-cli, redis-py, redis-benchmark; a clean end and a start over the same data.
# Then against three nodes: the same, and their cluster modes.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
passed=0
failed=0
node=
trap '[ -z "$node" ] || kill -9 "$node" 2>/dev/null; rm -rf "$work"' EXIT

check() { # NAME EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1: expected '$2', got '$3'"
    fi
}

./martlet version >/dev/null || exit 1  # built before anything waits for it

start() { # FILE [NODES]
    : >"$work/out"  # what the last one said is not to be taken for this one's word
    ./martlet launch "$1" --data "$work/data-$(basename "$1" .yaml)" >"$work/out" 2>"$work/log" &
    node=$!
    for _ in $(seq 200); do
        [ "$(grep -c '^ready ' "$work/out")" = "${2:-1}" ] && return
        sleep 0.05
    done
    echo "the node does not start:"
    cat "$work/out" "$work/log"
    exit 1
}

finish() {
    kill -TERM "$node"
    wait "$node"
    check "$1: ends with 0 on SIGTERM" 0 $?
    node=
}

port=$((4000 + RANDOM % 7000))  # also plus 20000 below the ports that the system gives out
for backend in memory lmdb rocksdb; do
    file="$work/$backend.yaml"
    printf 'cluster: clients\nnodes:\n  - name: %s\n    listen: 127.0.0.1:%s\n    storage:\n      backend: %s\n' \
        $backend $port $backend >"$file"
    start "$file"
    check "$backend: redis-cli" OK "$(redis-cli -p $port set greeting hello)"
    check "$backend: redis-cli -3" hello "$(redis-cli -3 -p $port get greeting)"
    check "$backend: martlet get" hello "$(./martlet get greeting --at 127.0.0.1:$port)"
    redis-benchmark -p $port -t set,get,incr,mset -n 20000 -r 1000 -P 8 -q --csv >"$work/benchmark"
    check "$backend: redis-benchmark" 5 "$(wc -l <"$work/benchmark")"
    /usr/bin/python3 - $port <<'PYTHON'
import sys, redis
client = redis.Redis(port=int(sys.argv[1]))
pipeline = client.pipeline(transaction=False)
for number in range(1000):
    pipeline.set(f"py:{number}", number, ex=1000)
pipeline.execute()
assert client.mget([f"py:{n}" for n in range(1000)]) == [str(n).encode() for n in range(1000)]
assert sum(1 for _ in client.scan_iter("py:*")) == 1000
assert client.incr("counter") == 1 and client.delete("counter") == 1
PYTHON
    check "$backend: redis-py" 0 $?
    keys=$(redis-cli -p $port dbsize)
    finish $backend
    if [ $backend != memory ]; then
        start "$file"
        check "$backend: value after restart" hello "$(redis-cli -p $port get greeting)"
        check "$backend: keys after restart" "$keys" "$(redis-cli -p $port dbsize)"
        finish $backend
    fi
done
# Three nodes on three backends: any node answers for any key, also while one of them is down.
file="$work/three.yaml"
{
    printf 'cluster: three\nnodes:\n'
    for node_number in 0 1 2; do
        backends=(memory lmdb rocksdb)
        printf '  - name: %s\n    listen: 127.0.0.1:%s\n    storage: {backend: %s}\n' \
            ${backends[$node_number]} $((port + 1 + node_number)) ${backends[$node_number]}
    done
} >"$file"
start "$file" 3
at="127.0.0.1:$((port + 2))"
well() { for _ in $(seq 200); do ./martlet cluster status --at "$at" >"$work/status" && return; sleep 0.1; done; return 1; }
well
check "three: all is well" 0 $?
/usr/bin/python3 - $((port + 1)) <<'PYTHON'
import sys, redis
clients = [redis.Redis(port=int(sys.argv[1]) + n) for n in range(3)]
for writer in clients:
    for number in range(100):
        assert writer.set(f"three:{number}", number)
        assert all(reader.get(f"three:{number}") == str(number).encode() for reader in clients)
PYTHON
check "three: redis-py" 0 $?
check "three: explain" 0 "$(./martlet cluster explain three:1 --at "$at" >/dev/null; echo $?)"
check "three: explain what is not there" 4 "$(./martlet cluster explain nothing --at "$at" >/dev/null; echo $?)"
kill -9 "$(pgrep -f -- "three.yaml --node memory")"
check "three: a write without the memory node" OK "$(redis-cli -p $((port + 2)) set three:1 again)"
check "three: a read without the memory node" again "$(redis-cli -p $((port + 3)) get three:1)"
well
check "three: all is well again" 0 $?
same() { for _ in $(seq 600); do ./martlet cluster digest --at "$at" >/dev/null && return; sleep 0.1; done; return 1; }
same
check "three: the memory node has found back" 0 $?
./martlet compare --live --at "$at" --seconds 1 --out "$work/live" >/dev/null
check "three: compare --live" 0 $?
finish three

# Three nodes, with one worker each and with two: below the ports that connections are given.
for workers in 1 2; do
    plain=$((10000 + RANDOM % 2000))
    file="$work/three-$workers.yaml"
    {
        printf 'cluster: three-%s\ndefaults:\n  workers: %s\n  storage:\n    backend: memory\nnodes:\n' $workers $workers
        for index in 0 1 2; do
            printf '  - name: n%s\n    listen: 127.0.0.1:%s\n    cluster_listen: 127.0.0.1:%s\n' \
                $index $((plain + index)) $((plain + 20000 + index * workers))
        done
    } >"$file"
    start "$file" 3
    for _ in $(seq 100); do
        [ "$(redis-cli -p $plain set greeting hello)" = OK ] && break
        sleep 0.1
    done
    first=$((plain + 20000))
    check "three nodes: CLUSTER INFO" cluster_state:ok "$(redis-cli -p $plain cluster info | head -1 | tr -d '\r')"
    check "three nodes: redis-cli -c" OK "$(redis-cli -c -p $first set greeting hello)"
    check "three nodes: redis-cli -c elsewhere" hello "$(redis-cli -c -p $((first + 2)) get greeting)"
    check "three nodes: redis-cli" hello "$(redis-cli -p $((plain + 2)) get greeting)"
    redis-cli --cluster check 127.0.0.1:$first >"$work/check"
    check "three nodes: redis-cli --cluster check" 0 $?
    for port in $plain $first; do
        redis-benchmark --cluster -p $port -t set,get,incr -n 5000 -r 1000 -P 8 -q --csv >"$work/benchmark"
        check "three nodes: redis-benchmark --cluster" 4 "$(grep -c '^"' "$work/benchmark")"
    done
    /usr/bin/python3 Tests/Clients/cluster.py $workers $plain $((plain + 1)) $((plain + 2))
    check "three nodes: redis-py" 0 $?
    finish "three nodes"
done
printf 'cluster: bad\nnodes:\n  - nam: x\n' >"$work/bad.yaml"
./martlet launch "$work/bad.yaml" 2>/dev/null
check "a faulty file ends with 78" 78 $?
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
