#!/bin/bash
# Real clients against each backend: redis-cli, redis-py, redis-benchmark; a clean end and a start over the same data.
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

start() { # FILE
    ./martlet launch "$1" --data "$work/data" >"$work/out" 2>"$work/log" &
    node=$!
    for _ in $(seq 200); do
        grep -q '^ready ' "$work/out" && return
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

port=$((20000 + RANDOM % 10000))
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
printf 'cluster: bad\nnodes:\n  - nam: x\n' >"$work/bad.yaml"
./martlet launch "$work/bad.yaml" 2>/dev/null
check "a faulty file ends with 78" 78 $?
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
