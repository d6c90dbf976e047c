// A real MCP server that reports to AgentCat, and a real client that calls its tools: the SDK for Node, unmodified.
//
// Its argument is the gateway's base URL, its project the second. It says `done` at its end: the SDK ends its host process when it
// cannot deliver an event, and this one has to live.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import * as agentcat from "agentcat";
import { z } from "zod";

const [base, project] = process.argv.slice(2);

const server = new McpServer({ name: "harbour-mcp", version: "1.2.3" });
server.registerTool("tide_table", { inputSchema: { port: z.string() } }, async ({ port }) => {
  if (port === "Atlantis") throw new Error("no such port");
  return { content: [{ type: "text", text: `high water at ${port}: 04:12` }] };
});
agentcat.track(server, project, {
  apiBaseUrl: base,
  disableDiagnostics: true,
  identify: async () => ({ userId: "user-node", userName: "Ada Lovelace", userData: { email: "ada.node@example.org" } }),
});

const [serverSide, clientSide] = InMemoryTransport.createLinkedPair();
const client = new Client({ name: "harbour-client", version: "9.9.9" });
await server.connect(serverSide);
await client.connect(clientSide);
await client.listTools();
for (const port of ["Oslo", "Atlantis", "Bergen"]) {
  await client.callTool({ name: "tide_table", arguments: { port, context: "To plan a trip." } });
}
await client.callTool({ name: "get_more_tools", arguments: { context: "Needs hotels." } });
// Retries of an event that was not taken would end this process after 7 seconds; those that were taken need no time at all. The process
// goes on until its standard input ends, as a server of its kind does.
process.stdin.resume();
await new Promise((resolve) => process.stdin.on("end", resolve));
await client.close();
console.log("done");
