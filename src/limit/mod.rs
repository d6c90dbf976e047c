//! How much a caller may ask for, and from where it asks.
//!
//! - [`Limits`]: requests and events of a tenant and of an ingest key, by governor, and the tenant's events of a day.
//! - [`AuthFailures`]: failed authentications of a client address.
//! - [`Allowance`] and [`Refused`]: what a check says, with the values of the `RateLimit` fields and `Retry-After`.
//! - [`AddressRule`]: the client's address behind trusted proxies.
//!
//! Everything is in memory, capped, and starts anew with the process. Addresses live here only, are cut to what a provider
//! assigns to one customer, and are never written anywhere. Time comes from the clock that is given.

mod address;
mod allowance;
mod failure;
mod meter;
mod quota;
mod rate;

pub use address::{AddressRule, ForwardingHeader};
pub use allowance::{Allowance, Refused, Standing, Unit};
pub use failure::AuthFailures;
pub use meter::{Rate, RateError};
pub use rate::{LimitSettings, Limits, Rates, TenantRates};
