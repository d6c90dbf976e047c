#!/usr/bin/env python3
"""Score a redactor.

  score.py --labels pos.jsonl.gz neg.jsonl.gz --run tidegate scrub       scrubs the records and scores what comes out
  score.py --emit-input pos.jsonl.gz neg.jsonl.gz > in.jsonl             for another redactor: labels stripped: {id, format, text}
  score.py --labels pos.jsonl.gz neg.jsonl.gz --output out.jsonl [--json summary.json] [--by sub|ctx|kind] [--leaks FILE]

All values in the records are made up; those with check digits have valid ones.

Output lines, either form:  {"id":…, "redacted": "<text>"}      (for format=json: JSON text, or the object)
                            {"id":…, "spans":[{"start","end"[,"type"]}], "unit":"char"|"byte"}   offsets into `text`

Definitions
  leak        a labelled value still present verbatim in the output, or less than half of its characters changed
  recall      1 - leak rate, over labelled values
  partial     counted as redacted, but 5-50 % of its characters survive in place
  FP record   a negative record with any non-neutral character changed;  FP char% = share of such characters
  FP region   a maximal run of changed characters touching no label and no neutral span (positives and negatives)
  collateral  share of non-PII, non-neutral characters of positive records that were changed (over-redaction)
  precision   TP values / (TP values + FP regions);  micro F1 from that and recall
"""
from __future__ import annotations
import argparse, glob, gzip, json, re, subprocess, sys
from collections import defaultdict, Counter
from difflib import SequenceMatcher

TOK = re.compile(r"[^\W_]+|[\W_]", re.S)
# what a pattern engine can be held to; PERSON / ADDRESS need a model or a field rule
PEM = re.compile(r"-----(?:BEGIN|END)[A-Z ]*PRIVATE KEY-----(?:\\+n|\s)*")
CORE = {"EMAIL", "PHONE", "CREDIT_CARD", "IBAN", "US_SSN", "IP_ADDRESS", "MAC_ADDRESS", "URL_CREDENTIALS", "QUERY_SECRET", "JWT", "BEARER_TOKEN",
        "API_KEY", "PRIVATE_KEY", "PASSWORD", "CRYPTO"}


def rd(paths):
    for p in paths:
        for q in sorted(glob.glob(p)) or [p]:
            op = gzip.open if q.endswith(".gz") else open
            with op(q, "rt", encoding="utf-8") as f:
                for line in f:
                    if line.strip():
                        yield json.loads(line)


def diff_mask(a: str, b: str) -> bytearray:
    """1 = character of a that did not survive in b."""
    m = bytearray(len(a))
    if a == b:
        return m
    ta, tb = TOK.findall(a), TOK.findall(b)
    i = 0
    while i < len(ta) and i < len(tb) and ta[i] == tb[i]:
        i += 1
    j = 0
    while j < len(ta) - i and j < len(tb) - i and ta[-1 - j] == tb[-1 - j]:
        j += 1
    pos = sum(map(len, ta[:i]))
    ma, mb = ta[i:len(ta) - j], tb[i:len(tb) - j]
    off = [pos]
    for t in ma:
        off.append(off[-1] + len(t))
    for op, a0, a1, b0, b1 in SequenceMatcher(None, ma, mb, autojunk=False).get_opcodes():
        if op in ("replace", "delete"):
            s, e = off[a0], off[a1]
            m[s:e] = b"\1" * (e - s)
            if op == "replace":
                x, y = a[s:e], "".join(mb[b0:b1])
                k = 0
                while k < min(len(x), len(y)) and x[k] == y[k]:
                    k += 1
                if k >= 3:
                    m[s:s + k] = b"\0" * k
                q = 0
                while q < min(len(x), len(y)) - k and x[-1 - q] == y[-1 - q]:
                    q += 1
                if q >= 3:
                    m[e - q:e] = b"\0" * q
    return m


def same_num(a, b):
    return isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(b, bool) and a == b


def walk(o, x, ptr, masks, removed=False):
    """masks[(ptr, key?)] = (text, mask)"""
    if isinstance(o, dict):
        xd = x if isinstance(x, dict) and not removed else None
        left_o = [k for k in o if xd is None or k not in xd]
        left_x = [k for k in (xd or {}) if k not in o]
        pair = dict(zip(left_o, left_x)) if xd is not None and len(left_o) == len(left_x) else {}
        for k, v in o.items():
            p = ptr + "/" + k.replace("~", "~0").replace("/", "~1")
            if xd is not None and k in xd:
                masks[(ptr, k)] = (k, bytearray(len(k)))
                walk(v, xd[k], p, masks)
            elif k in pair:
                masks[(ptr, k)] = (k, diff_mask(k, pair[k]))
                walk(v, xd[pair[k]], p, masks)
            else:
                masks[(ptr, k)] = (k, bytearray(b"\1" * len(k)))
                walk(v, None, p, masks, True)
    elif isinstance(o, list):
        xl = x if isinstance(x, list) and not removed else None
        for i, v in enumerate(o):
            ok = xl is not None and i < len(xl)
            walk(v, xl[i] if ok else None, f"{ptr}/{i}", masks, not ok)
    elif isinstance(o, bool) or o is None:
        return
    else:
        s = o if isinstance(o, str) else json.dumps(o)
        if removed or x is None or isinstance(x, (dict, list, bool)):
            m = bytearray(b"\1" * len(s))
        elif isinstance(o, str):
            m = diff_mask(s, x if isinstance(x, str) else json.dumps(x))
        else:
            m = bytearray(len(s)) if same_num(o, x) or str(x) == s else diff_mask(s, x if isinstance(x, str) else json.dumps(x))
        masks[(ptr, None)] = (s, m)


def surface(x, out):
    if isinstance(x, dict):
        for k, v in x.items():
            out.append(k)
            surface(v, out)
    elif isinstance(x, list):
        for v in x:
            surface(v, out)
    elif isinstance(x, str):
        out.append(x)
    elif x is not None and not isinstance(x, bool):
        out.append(json.dumps(x))
    return out


def score(labels, outs, by="ctx", leaks=None):
    S = {"n_pos": 0, "n_neg": 0, "missing": 0, "broken_json": 0, "fp_records": 0, "fp_regions_neg": 0, "fp_regions_pos": 0}
    T = defaultdict(Counter)
    G = defaultdict(Counter)
    C = defaultdict(Counter)
    ch = Counter()
    for r in labels:
        text, fmt, neg = r["text"], r.get("format", "text"), bool(r.get("neg"))
        S["n_neg" if neg else "n_pos"] += 1
        o = outs.get(r["id"])
        if o is None:
            S["missing"] += 1
            o = {"spans": []}
        layers = []  # (text, changed mask, class mask)  class: 0 plain, 1 label, 2 neutral
        red_surface = None
        if "redacted" in o:
            red = o["redacted"]
            if fmt == "json":
                if isinstance(red, str):
                    try:
                        red = json.loads(red)
                    except ValueError:
                        S["broken_json"] += 1
                        red = None
                if red is not None:
                    masks = {}
                    oo = json.loads(text)
                    walk(oo, red, "", masks)
                    orig_surface = "\0".join(surface(oo, []))
                    red_surface = "\0".join(surface(red, []))
                    cls = {k: bytearray(len(t)) for k, (t, _) in masks.items()}
                    where = []
                    for s in r["spans"]:
                        if s.get("in_key"):
                            full = [k for k in masks if k[0] == s["ptr"] and k[1] is not None and s["value"] in k[1]]
                            key = full[0]
                        else:
                            key = (s["ptr"], None)
                        cls[key][s["ls"]:s["le"]] = b"\1" * (s["le"] - s["ls"])
                        where.append((key, s["ls"], s["le"]))
                    for s in r["neutral"]:
                        cls[(s["ptr"], None)][s["ls"]:s["le"]] = b"\2" * (s["le"] - s["ls"])
                    layers = [(t, m, cls[k]) for k, (t, m) in masks.items()]
                    cov = [sum(masks[k][1][a:b]) / max(1, b - a) for k, a, b in where]
            if red_surface is None:
                rt = o["redacted"] if isinstance(o["redacted"], str) else json.dumps(o["redacted"], ensure_ascii=False)
                mask = diff_mask(text, rt)
                orig_surface, red_surface = text, rt
                layers = None
        else:
            mask = bytearray(len(text))
            spans = o["spans"]
            if o.get("unit") == "byte":
                b2c, k = {}, 0
                for i, c in enumerate(text):
                    b2c[k] = i
                    k += len(c.encode())
                b2c[k] = len(text)
                spans = [{"start": b2c.get(s["start"], 0), "end": b2c.get(s["end"], len(text))} for s in spans]
            for s in spans:
                a, b = max(0, s["start"]), min(len(text), s["end"])
                if b > a:
                    mask[a:b] = b"\1" * (b - a)
            orig_surface = text
            red_surface = "".join("\0" if m else c for c, m in zip(text, mask))
            layers = None
        if layers is None:
            c = bytearray(len(text))
            for s in r["spans"]:
                c[s["start"]:s["end"]] = b"\1" * (s["end"] - s["start"])
            for s in r["neutral"]:
                c[s["start"]:s["end"]] = b"\2" * (s["end"] - s["start"])
            layers = [(text, mask, c)]
            cov = [sum(mask[s["start"]:s["end"]]) / max(1, s["end"] - s["start"]) for s in r["spans"]]
            raw = True
        else:
            raw = False
        # leaks
        kcount = Counter(text[s["start"]:s["end"]] if raw else s["value"] for s in r["spans"])
        budget = {}
        for val, k in kcount.items():
            m0, n1 = orig_surface.count(val), red_surface.count(val)
            budget[val] = max(0, min(k, n1 - max(0, m0 - k)))
        for s, cv in sorted(zip(r["spans"], cov), key=lambda z: z[1]):
            val = text[s["start"]:s["end"]] if raw else s["value"]
            leaked = False
            if cv < 0.5:
                leaked = True
            elif budget[val] > 0 and cv < 0.999:
                leaked = True
            if leaked:
                budget[val] = max(0, budget[val] - 1)
                if leaks:
                    leaks.write(json.dumps({"id": r["id"], "type": s["type"], "sub": s.get("sub"), "ctx": s.get("ctx"), "cov": round(cv, 2), "value": val, "text": text[:300]}, ensure_ascii=False) + "\n")
            g = {"ctx": s.get("ctx"), "sub": (s.get("sub") or "-"), "kind": r.get("kind"), "source": r.get("source")}[by]
            for d in (T[s["type"]], G[(s["type"], g)], T["~" + str(r.get("source"))]):
                d["n"] += 1
                d["leak"] += leaked
                d["partial"] += (not leaked and cv < 0.95)
        # false positives
        changed_any, regs = False, 0
        for t, m, c in layers:  # PEM armour lines are neutral
            for x in PEM.finditer(t) if "PRIVATE KEY" in t else ():
                for i in range(x.start(), x.end()):
                    c[i] = c[i] or 2
        for t, m, c in layers:
            i, n = 0, len(t)
            while i < n:
                if m[i]:
                    j = i
                    while j < n and (m[j] or (t[j].isspace() and j + 1 < n and m[j + 1])):
                        j += 1
                    cl = c[i:j]
                    if not any(cl):
                        regs += 1
                        if leaks and neg:
                            leaks.write(json.dumps({"id": r["id"], "FP": t[i:j][:80], "cat": r.get("kind"), "text": text[:200]}, ensure_ascii=False) + "\n")
                    i = j
                else:
                    i += 1
            plain = sum(1 for x in c if x == 0)
            bad = sum(1 for x, y in zip(m, c) if x and y == 0)
            ch["neg" if neg else "pos"] += plain
            ch["negbad" if neg else "posbad"] += bad
            changed_any |= bad > 0
        if neg:
            C[r.get("kind")]["n"] += 1
            C[r.get("kind")]["fp"] += changed_any
            S["fp_records"] += changed_any
            S["fp_regions_neg"] += regs
        else:
            S["fp_regions_pos"] += regs
    S["types"] = {t: {"n": c["n"], "recall": round(1 - c["leak"] / c["n"], 4), "partial": c["partial"]} for t, c in sorted(T.items()) if not t.startswith("~")}
    S["by_source"] = {t[1:]: {"n": c["n"], "recall": round(1 - c["leak"] / c["n"], 4)} for t, c in T.items() if t.startswith("~")}
    S["groups"] = {f"{a}|{b}": {"n": c["n"], "recall": round(1 - c["leak"] / c["n"], 4)} for (a, b), c in sorted(G.items(), key=str)}
    S["neg_categories"] = {k: {"n": c["n"], "fp": c["fp"]} for k, c in sorted(C.items(), key=str)}

    def agg(sel):
        n = sum(c["n"] for t, c in T.items() if not t.startswith("~") and sel(t))
        l = sum(c["leak"] for t, c in T.items() if not t.startswith("~") and sel(t))
        fp = S["fp_regions_neg"] + S["fp_regions_pos"]
        tp = n - l
        p, rc = (tp / (tp + fp) if tp + fp else 0.0), (tp / n if n else 0.0)
        return {"n": n, "recall": round(rc, 4), "precision": round(p, 4), "f1": round(2 * p * rc / (p + rc), 4) if p + rc else 0.0}
    S["micro_all"], S["micro_core"] = agg(lambda t: True), agg(lambda t: t in CORE)
    S["fp_record_rate"] = round(S["fp_records"] / S["n_neg"], 4) if S["n_neg"] else None
    S["fp_char_pct"] = round(100 * ch["negbad"] / ch["neg"], 3) if ch["neg"] else None
    S["collateral_pct"] = round(100 * ch["posbad"] / ch["pos"], 3) if ch["pos"] else None
    return S


# core recall and precision of others, off the shelf, on a set with other templates and values: figures to stand beside ours, not of this run
PEERS = {
    "Datadog's engine with 25 rules of ours": (0.832, 0.907), "Presidio, all recognizers": (0.634, 0.296), "Sentry Relay, @common": (0.627, 0.740),
    "openredaction": (0.623, 0.368), "cloakrs": (0.578, 0.796), "Presidio, default": (0.513, 0.643), "ContextForge's filter": (0.456, 0.912),
    "datafog": (0.324, 0.471), "Kingfisher (secrets only)": (0.233, 1.000),
}


def run(command, records):
    """What `command` makes of each record: a JSON value a line in, the same scrubbed out; texts go as JSON strings."""
    records = list(records)
    lines = "".join((r["text"].strip() if r.get("format") == "json" else json.dumps(r["text"], ensure_ascii=False)) + "\n" for r in records)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8", check=True)
    scrubbed = done.stdout.split("\n")
    for r, line in zip(records, scrubbed):
        yield {"id": r["id"], "redacted": line if r.get("format") == "json" else json.loads(line)}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--emit-input", nargs="+")
    ap.add_argument("--labels", nargs="+")
    ap.add_argument("--output")
    ap.add_argument("--run", nargs="+", metavar="COMMAND")
    ap.add_argument("--json")
    ap.add_argument("--leaks", help="write every leak and every negative FP here (never show a held-out one to a developer)")
    ap.add_argument("--by", default="ctx", choices=["ctx", "sub", "kind", "source"])
    ap.add_argument("--groups", action="store_true")
    a = ap.parse_args()
    if a.emit_input:
        for r in rd(a.emit_input):
            print(json.dumps({"id": r["id"], "format": r.get("format", "text"), "text": r["text"]}, ensure_ascii=False))
        return
    outs = {o["id"]: o for o in (run(a.run, rd(a.labels)) if a.run else rd([a.output]))}
    lf = open(a.leaks, "w") if a.leaks else None
    S = score(rd(a.labels), outs, a.by, lf)
    print(f"records: {S['n_pos']} positive, {S['n_neg']} negative; missing {S['missing']}, broken JSON {S['broken_json']}")
    print(f"{'type':20}{'n':>6}{'recall':>9}{'leak%':>8}{'partial':>9}")
    for t, c in S["types"].items():
        print(f"{t:20}{c['n']:6}{c['recall']:9.3f}{100*(1-c['recall']):8.1f}{c['partial']:9}")
    if a.groups:
        for g, c in S["groups"].items():
            print(f"  {g:40}{c['n']:6}{c['recall']:9.3f}")
    for k in ("micro_core", "micro_all"):
        m = S[k]
        print(f"{k:20}{m['n']:6}{m['recall']:9.3f}  precision {m['precision']:.3f}  F1 {m['f1']:.3f}")
    print(f"negatives altered: {S['fp_records']}/{S['n_neg']} ({100*(S['fp_record_rate'] or 0):.1f} %), chars {S['fp_char_pct']} %; FP regions neg {S['fp_regions_neg']} pos {S['fp_regions_pos']}; collateral {S['collateral_pct']} %")
    print("  by category: " + ", ".join(f"{k} {v['fp']}/{v['n']}" for k, v in S["neg_categories"].items()))
    if a.run:
        print("for comparison, core recall and precision measured on another set: " + "; ".join(f"{k} {r:.2f}/{p:.2f}" for k, (r, p) in PEERS.items()))
    if a.json:
        json.dump(S, open(a.json, "w"), indent=1)


if __name__ == "__main__":
    main()
