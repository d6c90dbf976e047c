//! Who plays: three tenants, their servers, tools and routes, and the people who use them.
//!
//! Everything here is a table or a function of the seed and a person's number, so that the same people come back in every session.

use super::planted;
use super::random::Rng;

/// A tenant and what runs there.
pub(super) struct House {
    /// Name of the tenant.
    pub(super) name: &'static str,
    /// Shell variable in which the printed commands keep its token.
    pub(super) variable: &'static str,
    /// The reporting server and its version.
    pub(super) server: (&'static str, &'static str),
    /// What the server does.
    pub(super) trade: Trade,
    /// How many people use it.
    pub(super) people: usize,
    /// Visits in the hours before the demo.
    pub(super) visits: usize,
    /// The share of visits that are reported through AgentCat's SDK instead of the native protocol.
    pub(super) agentcat_share: f64,
}

/// What a tenant's server does.
pub(super) enum Trade {
    /// An MCP server with these tools, the most used first.
    Mcp(&'static [Tool]),
    /// An HTTP service with these routes, the most used first.
    Http(&'static [Route]),
}

/// A tool of an MCP server.
pub(super) struct Tool {
    pub(super) name: &'static str,
    /// Median duration.
    pub(super) median_ms: f64,
    /// Share of calls that fail.
    pub(super) failing: f64,
}

/// A route of an HTTP service; `{}` in the path becomes a number.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Median duration.
    pub(super) median_ms: f64,
}

const fn tool(name: &'static str, median_ms: f64, failing: f64) -> Tool {
    Tool { name, median_ms, failing }
}

const fn route(method: &'static str, path: &'static str, median_ms: f64) -> Route {
    Route { method, path, median_ms }
}

/// The tenants.
pub(super) const HOUSES: [House; 3] = [
    House {
        name: "acme-tools",
        variable: "ACME",
        server: ("acme-mcp", "2.3.1"),
        trade: Trade::Mcp(&[
            tool("scan_directory", 118.0, 0.012),
            tool("read_file", 24.0, 0.018),
            tool("search_code", 240.0, 0.020),
            tool("run_tests", 6400.0, 0.094),
            tool("apply_patch", 85.0, 0.041),
            tool("query_database", 310.0, 0.033),
            tool("list_issues", 190.0, 0.015),
            tool("create_pull_request", 720.0, 0.028),
            tool("render_diagram", 1350.0, 0.052),
        ]),
        people: 180,
        visits: 210,
        agentcat_share: 0.0,
    },
    House {
        name: "northwind-api",
        variable: "NORTHWIND",
        server: ("northwind-edge", "5.0.2"),
        trade: Trade::Http(&[
            route("GET", "/v1/products", 18.0),
            route("GET", "/v1/products/{}", 11.0),
            route("GET", "/v1/orders/{}", 27.0),
            route("POST", "/v1/orders", 140.0),
            route("POST", "/v1/checkout", 420.0),
            route("GET", "/v1/customers/{}", 22.0),
            route("PUT", "/v1/customers/{}", 64.0),
            route("POST", "/v1/login", 95.0),
            route("DELETE", "/v1/cart/{}", 16.0),
        ]),
        people: 240,
        visits: 320,
        agentcat_share: 0.0,
    },
    House {
        name: "globex-agents",
        variable: "GLOBEX",
        server: ("globex-desk", "0.9.4"),
        trade: Trade::Mcp(&[
            tool("lookup_customer", 85.0, 0.016),
            tool("draft_reply", 2100.0, 0.022),
            tool("refund_payment", 640.0, 0.061),
            tool("schedule_callback", 130.0, 0.019),
            tool("summarize_ticket", 1700.0, 0.014),
            tool("get_invoice", 75.0, 0.035),
        ]),
        people: 80,
        visits: 90,
        agentcat_share: 0.45,
    },
];

/// One person, always the same for the same tenant and number.
pub(super) struct Person {
    /// As the tenant's programs name them: an e-mail address or an account number.
    pub(super) user: String,
    /// Display name.
    pub(super) display: String,
    pub(super) email: String,
    pub(super) ip: String,
    pub(super) user_agent: String,
    /// MCP client and version.
    pub(super) client: (&'static str, &'static str),
    pub(super) model: &'static str,
}

const FIRST: [&str; 16] = [
    "Ada", "Ben", "Chidi", "Dana", "Elif", "Femi", "Goran", "Hana", "Ines", "Jonas", "Kaya", "Lena", "Milo", "Nadia",
    "Oskar", "Priya",
];
const LAST: [&str; 16] = [
    "Abara", "Berg", "Castro", "Dubois", "Eriksen", "Fischer", "Gupta", "Haddad", "Ivanova", "Jensen", "Kimura",
    "Lopez", "Moreau", "Novak", "Olsen", "Park",
];
const CLIENTS: [(&str, &str); 8] = [
    ("Claude Desktop", "1.0.211"),
    ("Cursor", "2.1.17"),
    ("Visual Studio Code", "1.106.2"),
    ("Claude Desktop", "0.14.10"),
    ("claude-code", "2.0.47"),
    ("Windsurf", "1.12.32"),
    ("Visual Studio Code", "1.105.0"),
    ("Zed", "0.212.4"),
];
const MODELS: [&str; 5] = ["claude-sonnet-4-5", "gpt-5.1", "claude-opus-4-1", "gemini-3-pro", "mistral-large-2"];
const SYSTEMS: [&str; 4] = [
    "Macintosh; Intel Mac OS X 10_15_7",
    "Windows NT 10.0; Win64; x64",
    "X11; Linux x86_64",
    "iPhone; CPU iPhone OS 18_1 like Mac OS X",
];

impl House {
    /// The person with that number.
    pub(super) fn person(&self, seed: u64, number: usize) -> Person {
        let stream =
            self.name.bytes().fold(number as u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut rng = Rng::new(seed, stream);
        let (first, last) = (*rng.pick(&FIRST), *rng.pick(&LAST));
        let email = format!("{}.{}{number}@example.com", first.to_lowercase(), last.to_lowercase());
        let account = format!("usr_{}", rng.hex(12));
        Person {
            user: if number.is_multiple_of(3) { email.clone() } else { account },
            display: format!("{first} {last}"),
            email,
            ip: if number.is_multiple_of(7) { planted::ipv6(&mut rng) } else { planted::ipv4(&mut rng) },
            user_agent: format!(
                "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
                rng.pick(&SYSTEMS),
                rng.between(128, 143)
            ),
            client: *rng.pick_early(&CLIENTS),
            model: rng.pick_early::<&str>(&MODELS),
        }
    }
}
