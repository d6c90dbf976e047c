//! Visits that go on while the demo runs: a slow stream in the pace of people.

use crate::clock::Millis;

use super::Error;
use super::gateway::Gateway;
use super::random::Rng;
use super::stage::Stage;
use super::traffic::{self, Post};

/// Visits at the same time in each tenant.
const VISITS_AT_ONCE: usize = 4;

/// A tenant's visits as they go on.
pub(super) struct Stream {
    stage: Stage,
    seed: u64,
    rng: Rng,
    /// Visits, each in the order of time.
    visits: Vec<Vec<Post>>,
}

impl Stream {
    /// A stream that begins at `now`.
    pub(super) fn new(stage: Stage, now: Millis) -> Stream {
        let seed = now.0 as u64;
        let rng = Rng::new(seed, stage.house.people as u64);
        Stream { stage, seed, rng, visits: Vec::new() }
    }

    /// Sends what has become due, and lets new visitors in for those who left.
    pub(super) fn advance(&mut self, gateway: &Gateway, now: Millis) -> Result<(), Error> {
        self.visits.retain(|visit| !visit.is_empty());
        while self.visits.len() < VISITS_AT_ONCE {
            self.visits.push(traffic::visit(self.stage.house, self.seed, &mut self.rng, now));
        }
        let mut due = Vec::new();
        for visit in &mut self.visits {
            let passed = visit.iter().take_while(|post| post.at <= now).count();
            due.extend(visit.drain(..passed));
        }
        if !due.is_empty() {
            self.stage.play(gateway, &due)?;
        }
        Ok(())
    }
}
