"""One peer, one measurement, one process; JSON lines on standard output.

    peer.py load ENGINE EVENTS DIRECTORY
    peer.py query ENGINE DIRECTORY SESSION     one warm-up and three passes over all queries, and their answers
    peer.py batch ENGINE EVENTS DIRECTORY      100 rows a commit, each synced, from one client, for eight seconds
    peer.py tenants EVENTS                     many small tenants in Parquet: one packed file a day, or one a tenant and hour
"""

import io
import json
import os
import resource
import sys
import time

import dialect
import engines

PASSES = 3
BATCH = 100
BATCH_S = 8


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def tell(**measured) -> None:
    print(json.dumps(measured, default=str), flush=True)


class Stopwatch:
    def __init__(self, engine):
        self.engine = engine
        self.begun = (time.perf_counter(), cpu(), engine.cpu())

    def read(self) -> dict[str, float]:
        wall, own, others = self.begun
        return {"wall": time.perf_counter() - wall, "cpu": cpu() - own + self.engine.cpu() - others}


def load(name: str, file: str, directory: str) -> None:
    engine = engines.ENGINES[name]()
    with open(file, "rb") as events:
        rows = sum(1 for _ in events)
    wall, own = time.perf_counter(), cpu()
    engine.load(file, directory)
    cost = {"wall": time.perf_counter() - wall, "cpu": cpu() - own + engine.cpu()}
    size = engine.finish()
    cost["finished_cpu"] = cpu() - own + engine.cpu()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    engine.close()
    tell(mode="load", engine=name, events=rows, disk=size, rss_peak=peak, **cost)


def query(name: str, directory: str, session: str) -> None:
    engine = engines.ENGINES[name]()
    engine.open(directory)
    for rep in range(PASSES + 1):
        for q, sql in dialect.queries(name, session).items():
            watch = Stopwatch(engine)
            engine.fetch(sql)
            tell(mode="query", engine=name, q=q, rep=rep, **watch.read())
    for q, sql in dialect.queries(name, session).items():
        tell(mode="answer", engine=name, q=q, rows=engine.rows(sql))
    tell(mode="asked", engine=name, rss_peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    engine.close()


def batch(name: str, file: str, directory: str) -> None:
    engine = engines.ENGINES[name]()
    if name == "chdb":
        engine.create(directory, synced=True)
    else:
        engine.create(directory)
    piece = f"{directory}.ndjson"

    def commit(lines: list[bytes]) -> None:
        if name == "chdb":
            with open(piece, "wb") as out:
                out.writelines(lines)
            engine.insert(piece)
        else:
            engine.copy(lines)

    watch, events, end = Stopwatch(engine), 0, time.perf_counter() + BATCH_S
    with open(file, "rb") as source:
        while time.perf_counter() < end and len(lines := [line for line, _ in zip(source, range(BATCH))]) == BATCH:
            commit(lines)
            events += BATCH
    tell(mode="batch", engine=name, events=events, **watch.read())
    engine.close()
    if os.path.exists(piece):
        os.remove(piece)


def tenants(file: str) -> None:
    import orjson
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"ts": pa.int64(), "duration_ms": pa.float64(), "bytes_in": pa.uint32(), "bytes_out": pa.uint32()}
    unlike = {"id", "params", *types}
    events = []
    with open(file, "rb") as source:
        for line in source:
            event = orjson.loads(line)
            event["params"] = orjson.dumps(event["params"]).decode()
            events.append(event)

    def parquet(rows: list[dict]) -> int:
        columns = {c: pa.array([row.get(c) for row in rows], types.get(c, pa.string())) for c in engines.COLUMNS}
        out = io.BytesIO()
        pq.write_table(
            pa.table(columns), out, compression="zstd", compression_level=3, store_schema=False, row_group_size=131_072,
            use_dictionary=[c for c in engines.COLUMNS if c not in unlike], write_statistics=["ts", "tenant"],
        )
        return out.tell()

    packed = parquet(sorted(events, key=lambda e: (e["tenant"], e["session"], e["ts"])))
    runs: dict[tuple, list[dict]] = {}
    for event in events:
        runs.setdefault((event["tenant"], event["ts"] // 3_600_000), []).append(event)
    sample = list(runs.values())[::20]
    each = sum(map(parquet, sample)) / sum(map(len, sample))
    tell(mode="tenants", events=len(events), packed=packed / len(events), each=each)


if __name__ == "__main__":
    {"load": load, "query": query, "batch": batch, "tenants": tenants}[sys.argv[1]](*sys.argv[2:])
