"""table.py RESULTS: medians of all rounds, ratios to the goals, and whether the answers agree."""

import collections
import json
import math
import statistics
import sys

OURS = "tidegate"
DASHBOARDS = ("q01", "q02", "q03", "q04", "q08", "q10")
POINTS = ("q06", "q12", "q13")
# Rows of people and things are compared by their number: users are pseudonyms here, and events have no ids.
BY_NUMBER = ("q05", "q06", "q12", "q15")
CLOSE = 0.05

measured = [json.loads(line) for line in open(sys.argv[1])]


def median(mode: str, engine: str | None, of, **where) -> float:
    fits = [
        of(m) for m in measured
        if m["mode"] == mode and m.get("engine") == engine and all(m.get(name) == value for name, value in where.items())
    ]
    return statistics.median(fits) if fits else math.nan


def ours_load(of, small: bool = False) -> float:
    fits = [
        of(m) for m in measured
        if m["mode"] == "load" and m["engine"] == OURS and m["runs"] > 0 and (m["events"] == 600_000) == small
    ]
    return statistics.median(fits) if fits else math.nan


def line(what: str, ours: float, peer: str, theirs: float, goal: str, met: bool) -> None:
    ratio = f"{ours / theirs:.2f}" if theirs else "-"
    print(f"| {what} | {ours:,.1f} | {peer} {theirs:,.1f} | {ratio} | {goal} | {'yes' if met else 'NO'} |")


def rate(m: dict) -> float:
    return m["events"] / m["cpu"]


def storage() -> None:
    print("| what | ours | peer | ratio | goal | met |\n|---|--:|--:|--:|---|---|")
    ours, chdb = ours_load(rate), median("load", "chdb", rate)
    line("bulk, events/CPU-s", ours, "chdb", chdb, ">= 1.3", ours >= 1.3 * chdb)
    merged = median("load", "chdb", lambda m: m["events"] / m["finished_cpu"])
    line("bulk, its merges counted as well", ours, "chdb", merged, ">= 1.3", ours >= 1.3 * merged)
    http = median("http", OURS, rate)
    line("bulk over HTTP, events/CPU-s", http, "chdb", chdb, ">= 0.8", http >= 0.8 * chdb)
    journals = [m for m in measured if m["mode"] == "load" and m["engine"] == OURS and m["runs"] == 0 and m["wall"] > 0]
    batch = statistics.median(rate(m) for m in journals if m["requests"] == 2000) if journals else math.nan
    postgres, synced = median("batch", "postgres", rate), median("batch", "chdb", rate)
    line("100 a request, synced, events/CPU-s", batch, "postgres", postgres, ">= 4", batch >= 4 * postgres)
    line("100 a request, synced, events/CPU-s", batch, "chdb", synced, "-", True)
    per_event = lambda m: m["disk"] / m["events"]
    ours, chdb = ours_load(lambda m: m["kept"] / m["events"]), median("load", "chdb", per_event)
    line("bytes an event on the disk", ours, "chdb", chdb, "<= 0.60", ours <= 0.6 * chdb)
    line("bytes an event on the disk", ours, "duckdb", median("load", "duckdb", per_event), "-", True)
    small, packed = ours_load(lambda m: m["kept"] / m["events"], small=True), median("tenants", None, lambda m: m["packed"])
    line("10,000 tenants, bytes an event", small, "packed Parquet", packed, "<= 1.35", small <= 1.35 * packed)
    written = ours_load(lambda m: m["written"] / m["events"])
    line("bytes written an event", written, "goal", 260, "<= 1", written <= 260)
    peak = max(ours_load(lambda m: m["rss_peak"]), median("asked", OURS, lambda m: m["rss_peak"])) / 1e6
    duck = median("load", "duckdb", lambda m: m["rss_peak"]) / 1e6
    line("peak memory, MB", peak, "duckdb", duck, "<= 400 MB", peak <= 400)
    replay = median("replay", None, lambda m: m["per_cpu_s"])
    line("replay, events/CPU-s", replay, "goal", 300_000, ">= 1", replay >= 300_000)
    share = 100 * median("erase", None, lambda m: m["share"])
    line("erasing a user, % of bytes rewritten", share, "goal", 5, "<= 1", share <= 5)
    shred = 1000 * median("shred", None, lambda m: m["wall"])
    rewritten = median("shred", None, lambda m: m["bytes_rewritten"])
    line("shredding a tenant-day, ms", shred, "goal", 100, "<= 1", shred <= 100 and rewritten == 0)
    drop = 1000 * median("drop", None, lambda m: m["wall"], what="one day")
    line("dropping a day, ms", drop, "goal", 100, "<= 1", drop <= 100)


def geometric(values: list[float]) -> float:
    return math.exp(statistics.fmean(math.log(max(value, 1e-3)) for value in values))


def queries() -> None:
    engines = [OURS, "duckdb", "chdb", "postgres"]
    asked = [m for m in measured if m["mode"] == "query" and m["rep"] > 0]
    cells: dict[tuple[str, str], list[dict]] = collections.defaultdict(list)
    for m in asked:
        cells[m["engine"], m["q"]].append(m)
    names = sorted({m["q"] for m in asked})
    kernels = {m["q"]: m["kernel"] for m in asked if m["engine"] == OURS}
    of = lambda engine, q, what: statistics.median(1000 * m[what] for m in cells[engine, q]) if cells[engine, q] else math.nan
    print("\n| query | kernel | " + " | ".join(f"{engine} CPU ms" for engine in engines) + " | ours wall ms | to duckdb | goal | met |")
    print("|---|---|" + "--:|" * (len(engines) + 2) + "---|---|")
    for q in names:
        cpu = [of(engine, q, "cpu") for engine in engines]
        wall, ratio = of(OURS, q, "wall"), cpu[0] / cpu[1]
        goal, met = "-", True
        if q[:3] in DASHBOARDS:
            goal, met = "<= 0.3", ratio <= 0.3
        elif q[:3] in POINTS:
            goal, met = "<= 5 ms wall", wall <= 5
        numbers = " | ".join(f"{value:.2f}" for value in cpu)
        print(f"| {q} | {kernels.get(q)} | {numbers} | {wall:.2f} | {ratio:.2f} | {goal} | {'yes' if met else 'NO'} |")
    means = [geometric([of(engine, q, "cpu") for q in names]) for engine in engines]
    ratio = means[0] / means[1]
    print(f"| geometric mean | | {' | '.join(f'{mean:.2f}' for mean in means)} | | {ratio:.2f} | <= 1.0 | {'yes' if ratio <= 1 else 'NO'} |")


def is_close(a, b) -> bool:
    try:
        a, b = float(a), float(b)
    except (TypeError, ValueError):
        return a == b
    return abs(a - b) <= CLOSE * max(1, abs(a), abs(b))


def answers() -> None:
    told: dict[str, dict[str, list]] = collections.defaultdict(dict)
    for m in measured:
        if m["mode"] == "answer":
            told[m["engine"]][m["q"]] = m["rows"]
    if "duckdb" not in told:
        return
    differ = []
    for engine, by_query in told.items():
        for q, rows in by_query.items():
            right = told["duckdb"].get(q)
            if right is None:
                continue
            alike = len(rows) == len(right)
            if alike and not q.startswith(BY_NUMBER):
                alike = all(len(a) == len(b) and all(map(is_close, a, b)) for a, b in zip(rows, right))
            if not alike:
                differ.append(f"{engine} {q}: {rows[:1]} instead of {right[:1]}, {len(rows)} rows instead of {len(right)}")
    print(f"\nanswers: {len(differ)} differ from duckdb's")
    print("\n".join(differ))


storage()
queries()
answers()
