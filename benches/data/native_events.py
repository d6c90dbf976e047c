"""Rewrites the generator's events as native events: map.py BASE.ndjson > events.ndjson"""
import json, sys
for line in open(sys.argv[1]):
    e = json.loads(line)
    kind = {"mcp.list_tools": "mcp.tools_list"}.get(e["kind"], e["kind"])
    a = dict(e["params"], bytes_in=e["bytes_in"], bytes_out=e["bytes_out"], country=e["country"])
    n = {"id": e["id"], "type": kind, "name": e["name"], "timestamp": e["ts"], "session": e["session"], "user": e["user_id"], "ip": e["ip"],
         "user_agent": e["user_agent"], "client": {"name": e["client"], "version": e["client_version"]}, "server": {"name": e["server"]},
         "duration_ms": e["duration_ms"], "ok": e["status"] == "ok"}
    if "error_code" in e: n["error"] = {"type": e["error_code"], "message": e["error_message"]}
    n["attributes"] = a
    print(json.dumps(n, separators=(",", ":")))
