//! A tenant of the demo on a running gateway.

use serde_json::Value;

use super::Error;
use super::cast::{House, Trade};
use super::gateway::{Form, Gateway, Tally};
use super::random::Rng;
use super::story::Guide;
use super::traffic::{Post, Protocol};

/// A tenant, and the key that its programs send with.
pub(super) struct Stage {
    pub(super) house: &'static House,
    pub(super) tenant: String,
    pub(super) key: String,
}

impl Stage {
    /// Finds or creates the tenant, and makes a key for it.
    pub(super) fn open(gateway: &Gateway, admin: &str, house: &'static House, label: &str) -> Result<Stage, Error> {
        let tenant = gateway.tenant(admin, house.name)?;
        let key = gateway.ingest_key(admin, &tenant, label)?;
        Ok(Stage { house, tenant, key })
    }

    /// Sends posts in their order: native ones in batches of varying size, the SDK's one by one.
    pub(super) fn play(&self, gateway: &Gateway, posts: &[Post]) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let of = |protocol| posts.iter().filter(move |post| post.protocol == protocol).map(|post| post.event.clone());
        let native: Vec<Value> = of(Protocol::Native).collect();
        let mut sizes = Rng::new(native.len() as u64, 0);
        let mut rest = native.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(sizes.between(20, 150).min(rest.len()));
            tally.add(&gateway.send(&self.key, batch, self.form())?);
            rest = later;
        }
        for event in of(Protocol::AgentCat) {
            tally.add(&gateway.send_agentcat(&self.key, &event)?);
        }
        Ok(tally)
    }

    /// How this tenant's events travel: an HTTP service's collector compresses, an MCP server's SDK does not.
    fn form(&self) -> Form {
        match self.house.trade {
            Trade::Mcp(_) => Form::Array,
            Trade::Http(_) => Form::Lines,
        }
    }

    /// What a reader needs to look into it.
    pub(super) fn guide<'g>(&'g self, token: &'g str) -> Guide<'g> {
        let kind = match self.house.trade {
            Trade::Mcp(_) => "mcp.tool_call",
            Trade::Http(_) => "http.request",
        };
        Guide { name: self.house.name, variable: self.house.variable, tenant: &self.tenant, token, kind }
    }
}
