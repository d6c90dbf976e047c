"""Renders queries/*.sql for one engine. Parameters and macros stand in double braces; `ts` is epoch milliseconds everywhere."""

import pathlib
import re

QUERIES = pathlib.Path(__file__).parent / "queries"
BEGIN = 1_790_812_800_000  # 2026-10-01T00:00:00Z, where the generator begins
DAY = 86_400_000


def parameters(session: str, days: int = 7) -> dict[str, str]:
    end = BEGIN + days * DAY
    return {
        "tenant": "t00000",
        "small_tenant": "t00060",
        "repo": "org0/repo-0",
        "session": session,
        "t0": str(BEGIN),
        "t1": str(end),
        "t24": str(end - DAY),
    }


def quantile(engine: str, q: str, of: str) -> str:
    match engine:
        case "chdb":
            return f"quantileTDigest({q})({of})"  # one that could be merged, as rollups need
        case "duckdb":
            return f"approx_quantile({of}, {q})"
        case _:
            return f"percentile_cont({q}) WITHIN GROUP (ORDER BY {of})"


def json_text(engine: str, column: str, path: str) -> str:
    keys = path.split(".")
    match engine:
        case "chdb":
            return f"JSONExtractString({column}, {', '.join(map(repr, keys))})"
        case "duckdb":
            return f"json_extract_string({column}, '$.{path}')"
        case _:
            return f"{column} #>> '{{{','.join(keys)}}}'"


def macro(engine: str, name: str, argument: str) -> str:
    match name:
        case "p50":
            return quantile(engine, "0.5", argument)
        case "p95":
            return quantile(engine, "0.95", argument)
        case "uniq":
            return f"uniqExact({argument})" if engine == "chdb" else f"count(DISTINCT {argument})"
        case "div":
            number, by = argument.split(":")
            return {"chdb": f"intDiv({number}, {by})", "duckdb": f"{number} // {by}"}.get(engine, f"{number} / {by}")
        case "any":
            return {"chdb": f"any({argument})", "duckdb": f"any_value({argument})"}.get(engine, f"max({argument})")
        case "json":
            return json_text(engine, *argument.split(":"))
        case _:  # text
            return f"{argument}::text" if engine == "postgres" else argument


def queries(engine: str, session: str) -> dict[str, str]:
    values = parameters(session)
    rendered = {}
    for path in sorted(QUERIES.glob("q*.sql")):
        sql = path.read_text().strip()
        sql = re.sub(r"\{\{(p50|p95|uniq|div|any|json|text):([^}]+)\}\}", lambda m: macro(engine, m[1], m[2]), sql)
        rendered[path.stem] = re.sub(r"\{\{(\w+)\}\}", lambda m: values[m[1]], sql)
    return rendered
