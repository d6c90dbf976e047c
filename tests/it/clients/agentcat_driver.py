"""A real MCP server that reports to AgentCat, and a real client that calls its tools.

Reads a plan from standard input:

    {"transport": "memory" | "http", "base": "http://...", "project": "...", "headers": {...},
     "calls": [{"tool": "...", "arguments": {...}, "user": {"id", "name", "email"}, "task": "..."}]}

Calls of one task belong to one session: the first one asks for it, the others pass on what they were given, as agents do. Writes what
came of it to standard output:

    {"sessions": {"<task>": "ses_..."}, "errors": [<whether each call failed>]}

The SDK is not touched: it gets its options, and it is waited for, since it has no flush and drops its queue at exit.
"""

import asyncio
import contextlib
import json
import re
import sys
import time

import agentcat
import uvicorn
from agentcat.modules.event_queue import event_queue
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.server.fastmcp import FastMCP
from mcp.shared.memory import create_connected_server_and_client_session
from mcp.types import Implementation

DRAIN_SECONDS = 20
CLIENT = Implementation(name="harbour-client", version="9.9.9")


def make_server():
    server = FastMCP("harbour-mcp")

    @server.tool()
    def tide_table(port: str) -> str:
        """Times of high and low water."""
        if port == "Atlantis":
            raise ValueError(f"no such port: {port}")
        return f"high water at {port}: 04:12, 16:40"

    @server.tool()
    def send_report(to: str, text: str) -> dict:
        """Sends a report to somebody."""
        return {"sent": True, "to": to, "length": len(text)}

    @server.tool()
    def broken_gauge() -> str:
        """Fails always, with another error than the others."""
        raise RuntimeError("the gauge does not answer")

    return server


@contextlib.asynccontextmanager
async def connect_in_memory(server, _headers):
    async with create_connected_server_and_client_session(server, client_info=CLIENT) as client:
        yield client


@contextlib.asynccontextmanager
async def connect_by_http(server, headers):
    config = uvicorn.Config(server.streamable_http_app(), host="127.0.0.1", port=0, log_level="warning")
    listener = uvicorn.Server(config)
    serving = asyncio.create_task(listener.serve())
    while not listener.started:
        await asyncio.sleep(0.01)
    port = listener.servers[0].sockets[0].getsockname()[1]
    async with streamablehttp_client(f"http://127.0.0.1:{port}/mcp", headers=headers) as (incoming, outgoing, _):
        async with ClientSession(incoming, outgoing, client_info=CLIENT) as client:
            await client.initialize()
            yield client
    listener.should_exit = True
    await serving


TRANSPORTS = {"memory": connect_in_memory, "http": connect_by_http}


class Agent:
    """Calls tools as an agent does: lists them first, gives an intent, and passes on the session that it was given."""

    def __init__(self, client):
        self.client = client
        self.sessions = {}
        self.errors = []
        self.user = None

    def identity(self, _params, _context):
        return agentcat.UserIdentity(self.user["id"], self.user["name"], {"email": self.user["email"], "plan": "pro"})

    async def call(self, call):
        self.user = call["user"]
        arguments = dict(call["arguments"], session_id=self.sessions.get(call["task"], "start"))
        result = await self.client.call_tool(call["tool"], arguments)
        self.errors.append(bool(result.isError))
        text = "\n".join(block.text for block in result.content if block.type == "text")
        if issued := re.search(r"session_id: (ses_[0-9A-Za-z]{27})", text):
            self.sessions.setdefault(call["task"], issued[1])


async def drain():
    end = time.monotonic() + DRAIN_SECONDS
    while event_queue.queue.qsize() or event_queue.get_stats()["activeRequests"]:
        if time.monotonic() > end:
            sys.exit("the SDK still has events that it could not deliver")
        await asyncio.sleep(0.02)


async def main():
    plan = json.load(sys.stdin)
    server = make_server()
    agent = Agent(None)
    options = agentcat.AgentCatOptions(api_base_url=plan["base"], identify=agent.identity)
    agentcat.track(server, plan["project"], options)
    async with TRANSPORTS[plan["transport"]](server, plan["headers"]) as client:
        agent.client = client
        await client.list_tools()
        for call in plan["calls"]:
            await agent.call(call)
        await drain()
    json.dump({"sessions": agent.sessions, "errors": agent.errors}, sys.stdout)


asyncio.run(main())
