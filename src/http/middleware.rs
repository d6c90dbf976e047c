//! What happens to every request: it is counted by route pattern, and its answer gets the headers that all answers have.
//!
//! Paths are never logged or counted: they may hold keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use actix_web::{ResponseError, web};

use super::Services;
use super::error::Problem;

/// The pattern of a route, by which its requests are counted; made once, with the route.
#[derive(Clone)]
pub struct Label(pub Arc<str>);

/// The label of requests that no route takes.
const NO_ROUTE: &str = "none";

/// Counts the request and completes the answer.
pub async fn observe(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let services = request.app_data::<web::Data<Services>>().cloned();
    let services = services.ok_or_else(|| Problem::overloaded("the gateway is starting"))?;
    let method = method_label(request.method());
    let unanswered = Unanswered(&services);
    let answered = match Place::take(&services, request.path()) {
        Some(_place) => next.call(request).await,
        None => {
            let problem = Problem::overloaded("too many requests are being served; try again later");
            Ok(request.into_response(problem.error_response()))
        }
    };
    std::mem::forget(unanswered);
    let mut response = answered?;
    let label = response.request().app_data::<Label>();
    let route = label.map_or_else(|| Arc::from(NO_ROUTE), |label| Arc::clone(&label.0));
    services.metrics.answered(route, method, response.status().as_u16(), started.elapsed());
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// One of the requests that may be served at one time. Health is always told.
struct Place<'s>(Option<&'s Services>);

impl<'s> Place<'s> {
    fn take(services: &'s Services, path: &str) -> Option<Place<'s>> {
        if matches!(path, "/healthz" | "/readyz" | "/metrics") {
            return Some(Place(None));
        }
        let place = Place(Some(services));
        let before = services.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < services.live.load().requests_max).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(services) = self.0 {
            services.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A request without an answer: dropped when its client has left, and the handler with it.
struct Unanswered<'s>(&'s Services);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.metrics.abandoned();
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
