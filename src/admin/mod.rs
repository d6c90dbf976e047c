//! What operators do: tenants, ingest keys, tokens.
//!
//! Every act leaves its audit record in the batch that makes it durable, or, where the effect is outside the database (a token), before it.
//! The HTTP routes and the command line both come through here, so that there is one way to create a key.

use std::sync::Arc;

use crate::audit::trail::{Entry, Trail, Unrecorded};
use crate::audit::{self, Action, Outcome, Subject};
use crate::auth::{
    ApiKey, Denylist, DenylistFull, Directory, DirectoryError, IngestKey, IssueError, Issued, Scopes, Staged, Tenant,
    TokenIssuer, TokenOrder,
};
use crate::clock::Millis;
use crate::id::{Entropy, KeyId, TenantId};
use crate::kv::{Batch, CommitError, Writer};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory refused.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The token cannot be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// No more tokens can be revoked until some have expired.
    #[error(transparent)]
    Denylist(#[from] DenylistFull),
    /// The record could not be made, so nothing was done.
    #[error(transparent)]
    Unrecorded(#[from] Unrecorded),
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        Error::Unrecorded(Unrecorded::Commit(error))
    }
}

impl From<audit::Error> for Error {
    fn from(error: audit::Error) -> Self {
        Error::Unrecorded(Unrecorded::Log(error))
    }
}

/// The operator's desk.
pub struct Desk {
    /// Tenants and keys.
    pub directory: Arc<Directory>,
    /// Makes tokens.
    pub issuer: Arc<TokenIssuer>,
    /// Tokens revoked before their time.
    pub denylist: Arc<Denylist>,
    /// Where acts are recorded.
    pub trail: Arc<Trail>,
    /// How they become durable.
    pub writer: Writer,
    /// Randomness for ids and secrets.
    pub entropy: Arc<dyn Entropy>,
}

impl Desk {
    /// Creates a tenant. `by` is the principal's name for the audit record.
    pub async fn create_tenant(self: &Arc<Self>, name: String, by: String, now: Millis) -> Result<Arc<Tenant>, Error> {
        self.commit_and_publish(move |desk, batch| {
            let staged = desk.directory.stage_tenant(batch, &name, now, &*desk.entropy)?;
            let entry = act(now, Action::TenantCreated, by).param("tenant", staged.value().id.to_string());
            desk.trail.stage(batch, Subject::Gateway, entry)?;
            Ok(staged)
        })
        .await
    }

    /// Creates an ingest key; the secret is in the answer and nowhere else.
    pub async fn create_key(
        self: &Arc<Self>,
        tenant: TenantId,
        scopes: Scopes,
        label: String,
        by: String,
        now: Millis,
    ) -> Result<ApiKey, Error> {
        self.commit_and_publish(move |desk, batch| {
            let staged = desk.directory.stage_key(batch, tenant, scopes, &label, now, &*desk.entropy)?;
            let entry = act(now, Action::KeyCreated, by)
                .param("key", staged.value().id().to_string())
                .param("scope", scopes.to_string());
            desk.trail.stage(batch, Subject::Tenant(tenant), entry)?;
            Ok(staged)
        })
        .await
    }

    /// Revokes an ingest key.
    pub async fn revoke_key(self: &Arc<Self>, key: KeyId, by: String, now: Millis) -> Result<Arc<IngestKey>, Error> {
        self.commit_and_publish(move |desk, batch| {
            let staged = desk.directory.stage_key_revoked(batch, key, now)?;
            let entry = act(now, Action::KeyRevoked, by).param("key", key.to_string());
            desk.trail.stage(batch, Subject::Tenant(staged.value().tenant), entry)?;
            Ok(staged)
        })
        .await
    }

    /// Issues a token, after the record of it is durable.
    pub async fn issue_token(self: &Arc<Self>, order: TokenOrder, by: String, now: Millis) -> Result<Issued, Error> {
        let issued = self.issuer.issue(&order, now, &*self.entropy)?;
        let subject = order.tenant.map_or(Subject::Gateway, Subject::Tenant);
        let entry = act(now, Action::TokenIssued, by)
            .param("jti", issued.jti.clone())
            .param("scope", order.scopes.to_string())
            .param("expires", issued.expires.to_string());
        self.trail.record(subject, entry).await?;
        Ok(issued)
    }

    /// Revokes one of the gateway's own tokens. Without knowing when it expires, it is remembered for as long as any token may live.
    pub async fn revoke_token(self: &Arc<Self>, jti: String, by: String, now: Millis) -> Result<(), Error> {
        self.commit(move |desk, batch| {
            let expires = now.plus(desk.issuer.ttl_max_ms());
            desk.denylist.stage_revoke(batch, desk.issuer.name(), &jti, expires, now)?;
            desk.trail.stage(batch, Subject::Gateway, act(now, Action::TokenRevoked, by).param("jti", jti))?;
            Ok(())
        })
        .await
    }

    /// Commits a change of the directory and makes it visible, also when the client that asked for it has left.
    async fn commit_and_publish<T: Send + 'static>(
        self: &Arc<Self>,
        stage: impl FnOnce(&Desk, &mut Batch) -> Result<Staged<T>, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (desk, directory) = (Arc::clone(self), Arc::clone(&self.directory));
        let publish = move |staged: Result<Staged<T>, Error>| staged.map(|staged| directory.publish(staged));
        self.writer.commit_then(move |batch| stage(&desk, batch), publish).await?
    }

    async fn commit<T: Send + 'static>(
        self: &Arc<Self>,
        stage: impl FnOnce(&Desk, &mut Batch) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let desk = Arc::clone(self);
        self.writer.commit_async(move |batch| stage(&desk, batch)).await?
    }
}

fn act(at: Millis, action: Action, by: String) -> Entry {
    Entry::new(at, action, Outcome::Success).by(by)
}
