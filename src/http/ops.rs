//! Health and metrics.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::auth::scope;

use super::error::Problem;
use super::extract::{self, header};
use super::{MetricsDoor, Services};

/// The process lives.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ok"}"#)
}

/// Requests are served in full.
pub async fn readyz(services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    if services.is_ready() {
        Ok(HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ok"}"#))
    } else {
        Err(Problem::overloaded("the gateway is not ready"))
    }
}

/// Metrics in the Prometheus text format.
pub async fn metrics(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    // A proxy before a loopback listener would make it public: then a token is needed all the same.
    let proxied = ["forwarded", "x-forwarded-for", "via"].iter().any(|name| header(&request, name).is_some());
    let open = match services.metrics_door {
        MetricsDoor::Open => true,
        MetricsDoor::Loopback => !proxied,
        MetricsDoor::Token => false,
    };
    if !open {
        extract::gateway_grant::<scope::Metrics>(&request, &services)?;
    }
    let text = services.metrics.render(&services.reading());
    Ok(HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text))
}
