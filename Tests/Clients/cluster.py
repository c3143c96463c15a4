"""redis-py's cluster client, and its plain one, on three nodes. Arguments: workers of a node, the nodes' plain ports."""
import logging
import os
import signal
import sys
import time

import redis
from redis.cluster import ClusterNode, RedisCluster

logging.disable()  # redis-py tells of each connection that a killed node loses
workers = int(sys.argv[1])
ports = [int(port) for port in sys.argv[2:]]
PRIMARIES = RedisCluster.PRIMARIES


def connect(port, **options):
    return RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)], **options)


def check_all(cluster, names):
    """All keys are seen once, by the cluster client in parts and by each plain port as a whole."""
    names = sorted(names)
    assert sorted(key.decode() for key in cluster.scan_iter("py:*", count=17)) == names
    assert cluster.dbsize(target_nodes=PRIMARIES) == len(names), cluster.dbsize(target_nodes=PRIMARIES)
    for port in ports:
        plain = redis.Redis(port=port)
        assert plain.dbsize() == len(names), (port, plain.dbsize())
        assert sorted(key.decode() for key in plain.scan_iter("py:*", count=17)) == names
        assert sorted(key.decode() for key in plain.keys("*")) == names
        assert plain.randomkey().decode() in names


cluster = connect(ports[0])
assert len(cluster.get_primaries()) == 3 * workers, cluster.get_nodes()
cluster.flushall()
pipeline = cluster.pipeline()
for number in range(500):
    pipeline.set(f"py:{number}", number)
assert all(pipeline.execute())
names = [f"py:{number}" for number in range(500)]
assert cluster.mget_nonatomic(names) == [str(number).encode() for number in range(500)]
check_all(cluster, names)
assert cluster.incr("py:7") == 8 and cluster.delete("py:0", "py:1") == 2
names = names[2:]
check_all(cluster, names)
slot = cluster.keyslot("py:4")
assert "py:4" in [str(key) for key in cluster.cluster_get_keys_in_slot(slot, 10)]
assert cluster.cluster_countkeysinslot(slot) >= 1
# The part of one node: the others' stay.
node = cluster.get_node_from_key("py:9")
gone = [key.decode() for key in cluster.scan(target_nodes=node, count=1000000)[1]]
assert "py:9" in gone
cluster.flushdb(target_nodes=node)
names = [name for name in names if name not in gone]
check_all(cluster, names)
reader = connect(ports[1], read_from_replicas=True)
assert [reader.get(names[0]) for _ in range(6)] == [cluster.get(names[0])] * 6

# One node is killed: its slots are served by others, and it comes back.
os.kill(int(redis.Redis(port=ports[2]).info("server")["process_id"]), signal.SIGKILL)
for number in range(200):
    deadline = time.monotonic() + 20
    while True:
        try:
            cluster.set(f"py:{number}", "again")
            break
        except redis.RedisError:
            assert time.monotonic() < deadline, "no write is taken while a node is gone"
            time.sleep(0.1)
names = sorted(set(names) | {f"py:{number}" for number in range(200)})
deadline = time.monotonic() + 60
while True:
    try:
        again = connect(ports[2])
        check_all(again, names)
        break
    except (redis.RedisError, redis.exceptions.RedisClusterException, AssertionError):
        assert time.monotonic() < deadline, "the node is not back as a part of the cluster"
        time.sleep(0.5)
again.flushdb()
assert [redis.Redis(port=port).dbsize() for port in ports] == [0, 0, 0]
