"""A program that uses redis-py as applications do: `redis_py_session.py PORT PROTOCOL`.

It runs in any Python that has the library, and knows nothing of Protostore.
"""

import sys
import threading
import time

import redis

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])


def client(**options):
    if redis.__version__ >= "5" or PROTOCOL == 3:
        options["protocol"] = PROTOCOL
    return redis.Redis(port=PORT, **options)


def expect(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r}, expected {expected!r}")


def expect_error(kind, text, body):
    try:
        found = body()
    except kind as error:
        if text not in str(error):
            raise AssertionError(f"{error!r}, expected {text}")
        return
    raise AssertionError(f"{found!r}, expected {kind}")


def use_strings(store):
    expect(store.ping(), True)
    expect(store.set("name", b"\0binary\xff"), True)
    expect(store.get("name"), b"\0binary\xff")
    expect(store.get("missing"), None)
    expect(store.set("name", "other", nx=True), None)
    expect(store.set("name", "other", get=True), b"\0binary\xff")
    expect(store.append("name", "!"), 6)
    expect(store.getrange("name", 0, 2), b"oth")
    expect(store.setrange("name", 1, "ZZ"), 6)
    expect(store.strlen("name"), 6)
    expect(store.mset({"one": 1, "two": 2.5}), True)
    expect(store.msetnx({"one": 1, "three": 3}), False)
    expect(store.mget("one", "missing", "two"), [b"1", None, b"2.5"])
    expect(store.incr("one"), 2)
    expect(store.decrby("one", 5), -3)
    expect(store.incrbyfloat("two", 0.25), 2.75)
    expect(store.getdel("two"), b"2.75")
    expect(store.getex("one", ex=100), b"-3")
    expect(store.setbit("bits", 7, 1), 0)
    expect(store.bitcount("bits"), 1)
    expect(store.bitop("NOT", "inverted", "bits"), 1)
    expect(store.bitfield("field").set("u8", 0, 255).incrby("u8", 0, 10).execute(), [0, 9])
    expect(store.set("large", b"x" * 1_000_000), True)
    expect(len(store.get("large")), 1_000_000)
    expect_error(redis.ResponseError, "value is not an integer or out of range", lambda: store.incr("name"))
    expect_error(redis.ResponseError, "unknown command", lambda: store.execute_command("NOSUCH", 1))
    expect_error(redis.ResponseError, "wrong number of arguments", lambda: store.execute_command("GET"))


def use_keys(store):
    expect(store.delete("one", "name", "missing"), 2)
    expect(store.set("a", 1, ex=1000), True)
    expect(990 < store.ttl("a") <= 1000, True)
    expect(990_000 < store.pttl("a") <= 1_000_000, True)
    expect(store.persist("a"), True)
    expect(store.ttl("a"), -1)
    expect(store.expire("a", 50, nx=True), True)
    expect(store.expireat("a", int(time.time()) + 5000, gt=True), True)
    expect(store.exists("a", "a", "missing"), 2)
    expect(store.rename("a", "b"), True)
    expect(store.renamenx("b", "large"), False)
    expect(store.copy("b", "c", replace=True), True)
    expect(store.copy("b", "c", destination_db=3), True)
    expect(store.touch("b", "c"), 2)
    expect(store.type("b"), b"string")
    expect(store.object("encoding", "b"), b"int")
    expect(store.unlink("b"), 1)
    payload = store.dump("c")
    expect(store.restore("restored", 0, payload), b"OK")
    expect(store.get("restored"), b"1")
    expect_error(redis.ResponseError, "BUSYKEY", lambda: store.restore("restored", 0, payload))
    other = client(db=3)
    expect(other.get("c"), b"1")
    expect(other.move("c", 4), True)
    expect(store.set("short", 1, px=20), True)
    time.sleep(0.1)
    expect(store.get("short"), None)
    names = {b"walk:%d" % number for number in range(500)}
    store.mset({name: 1 for name in names})
    expect(set(store.scan_iter("walk:*", count=50)), names)
    expect(set(store.keys("walk:4?")), {b"walk:%d" % number for number in range(40, 50)})
    expect(store.randomkey() is not None, True)


def use_pipelines(store):
    with store.pipeline(transaction=False) as pipeline:
        for number in range(1000):
            pipeline.set(f"p:{number}", number)
        pipeline.incr("large").get("p:999")
        replies = pipeline.execute(raise_on_error=False)
    expect(replies[:1000], [True] * 1000)
    expect(isinstance(replies[1000], redis.ResponseError), True)
    expect(replies[1001], b"999")
    with store.pipeline() as pipeline:
        expect(pipeline.set("t", 1).incr("t").get("t").execute(), [True, 2, b"2"])
    with store.pipeline() as pipeline:
        pipeline.watch("t")
        store.set("t", 100)
        pipeline.multi()
        pipeline.incr("t")
        expect_error(redis.WatchError, "", pipeline.execute)
    expect(store.get("t"), b"100")
    # Optimistic increments, tried again until they work.
    threads = [threading.Thread(target=lambda: [client().transaction(increment, "t") for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(store.get("t"), b"140")


def increment(pipeline):
    value = int(pipeline.get("t"))
    pipeline.multi()
    pipeline.set("t", value + 1)


def use_connections(store):
    named = client(client_name="session", decode_responses=True, db=2)
    expect(named.set("text", "äöü€"), True)
    expect(named.get("text"), "äöü€")
    expect(named.client_getname(), "session")
    expect([entry["name"] for entry in named.client_list() if entry["name"]], ["session"])
    identifier = named.client_id()
    expect(int(named.client_info()["id"]), identifier)
    # Whoever is cut off comes again by itself.
    expect(store.client_kill_filter(_id=identifier), 1)
    expect(client(db=2).exists("text"), 1)
    again = client(db=2, decode_responses=True, retry_on_error=[redis.ConnectionError])
    expect(again.get("text"), "äöü€")
    expect(store.client_kill_filter(_id=again.client_id()), 1)
    expect(again.get("text"), "äöü€")
    expect(store.echo("x"), b"x")
    expect(len(store.time()), 2)
    expect(store.config_set("timeout", 0), True)
    expect({str(name) for name in store.config_get("timeout")} & {"timeout", "b'timeout'"} != set(), True)
    information = store.info()
    expect(information["redis_version"][:2], "7.")
    expect(information["role"], "master")
    expect(store.info("keyspace")["db2"]["keys"], 1)
    expect(store.dbsize() > 1000, True)
    expect("get" in {str(name).strip("b'") for name in store.command()}, True)
    expect(store.slowlog_len() >= 0, True)
    expect(store.lastsave() is not None, True)
    expect(store.wait(0, 100), 0)


def main():
    store = client()
    if store.exists("large"):
        for name in store.scan_iter():
            store.delete(name)
    for use in (use_strings, use_keys, use_pipelines, use_connections):
        use(store)
    expect(store.flushdb(), True)
    expect(store.dbsize(), 0)
    expect(client(db=2).dbsize(), 1)
    expect(store.swapdb(0, 2), True)
    expect(store.get("text"), "äöü€".encode())
    expect(store.flushall(), True)
    expect(client(db=4).dbsize(), 0)


main()
