//! `GET /v1/export`: events as a file.
//!
//! With `limit` it comes in pages: the header `Tidegate-Next-Cursor`, sent before the first byte of the file, names the next one, and a page
//! that broke off is asked for again with the cursor that began it. Without, everything comes at once. An answer that broke off has no end
//! of its transfer encoding; clients see that. So do those whose export took longer than `query.export_timeout`.

use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::oneshot;

use crate::audit::{Action, Subject};
use crate::auth::scope;
use crate::clock::Millis;
use crate::query::batch::{COLUMNS, Source};
use crate::query::dump::{Dump, Format, Page, columns};
use crate::query::{self, Params, Question, Scan};

use super::Services;
use super::error::Problem;
use super::extract::{self, Pairs};
use super::pieces::{Pieces, Place};
use super::questions::{Asked, rows_entry};

/// The largest page.
const PAGE_ROWS_MAX: usize = 1_000_000;

/// What a request asks for beside the events.
struct Order {
    format: Format,
    columns: Vec<(&'static str, Source)>,
    limit: Option<usize>,
    cursor: Option<Millis>,
}

impl Order {
    fn take(pairs: &mut Pairs) -> Result<Order, Problem> {
        let malformed =
            |name: &str, expected: &str| Problem::bad_request(format!("`{name}` is malformed: expected {expected}"));
        let format = match pairs.take("format")? {
            None => Format::Ndjson,
            Some(text) => {
                Format::from_name(&text).ok_or_else(|| malformed("format", "ndjson, csv, parquet or arrow"))?
            }
        };
        let columns = match pairs.take("columns")? {
            Some(_) if format == Format::Ndjson => {
                return Err(Problem::bad_request(
                    "`columns` is for csv, parquet and arrow: a line of JSON is a whole event",
                ));
            }
            Some(text) => {
                columns(&text).ok_or_else(|| malformed("columns", "names of columns joined by commas, none twice"))?
            }
            None => COLUMNS.to_vec(),
        };
        let limit = pairs.take("limit")?.map(|text| {
            let limit = text.parse().ok().filter(|limit| (1..=PAGE_ROWS_MAX).contains(limit));
            limit.ok_or_else(|| malformed("limit", "a whole number from 1 to 1000000"))
        });
        let cursor = pairs.take("cursor")?.map(|text| {
            Page::cursor(&text).ok_or_else(|| malformed("cursor", "the `Tidegate-Next-Cursor` of an earlier answer"))
        });
        Ok(Order { format, columns, limit: limit.transpose()?, cursor: cursor.transpose()? })
    }
}

/// Exports events.
pub async fn get(request: HttpRequest, services: web::Data<Services>) -> Result<HttpResponse, Problem> {
    let place = Place::take(&services)?;
    let mut pairs = Pairs::of(&request)?;
    let grant = extract::grant::<scope::Export>(&request, &services, &mut pairs)?;
    let asked = Asked::now(&services, grant.tenant());
    let entry = rows_entry(&services, asked.now, Action::Export, grant.principal(), "export", &pairs);
    let order = Order::take(&mut pairs)?;
    let params = Params::parse(Question::Export, pairs.iter(), asked.now, asked.limit_max)?;
    let entry = entry.param("format", order.format.name());
    services.trail.record(Subject::Tenant(grant.tenant()), entry).await?;
    let format = order.format;
    let begun = begin(&services, asked, params, order, place);
    let (next_cursor, body) = begun.await?;
    let mut response = HttpResponse::Ok();
    response.content_type(format.media_type());
    response.insert_header(("Content-Disposition", format!("attachment; filename=\"events.{}\"", format.name())));
    if let Some(cursor) = next_cursor {
        response.insert_header(("Tidegate-Next-Cursor", cursor));
    }
    Ok(response.streaming(body))
}

/// Sets the work going on a thread of its own, and answers once it is known where the page ends.
async fn begin(
    services: &Services,
    asked: Asked,
    params: Params,
    order: Order,
    place: Place,
) -> Result<(Option<String>, Pieces), Problem> {
    let parts = services.ingest.store.read(asked.tenant, params.from, params.to, asked.now);
    let (say_page, page) = oneshot::channel();
    let body = Pieces::begin(place, move |outlet| {
        let stop = || outlet.is_over();
        let work = Scan::new(&parts, u64::MAX).map(|scan| scan.stopped_by(&stop)).and_then(|scan| {
            let page = match order.limit {
                Some(limit) => Page::beginning(&scan, order.cursor, limit, asked.now)?,
                None => Page::after(order.cursor),
            };
            Ok((scan, page))
        });
        let (scan, page) = match work {
            Ok(work) => work,
            Err(error) => {
                // Whoever has left needs no answer.
                let _ = say_page.send(Err(error));
                return Ok(());
            }
        };
        if say_page.send(Ok(page.next_cursor())).is_err() {
            return Ok(());
        }
        let dump = Dump { params, page, format: order.format, columns: order.columns };
        dump.write(&scan, &mut |piece| outlet.give(piece))
    });
    let answered: Result<_, query::Error> =
        page.await.map_err(|_| Problem::overloaded("the gateway is shutting down"))?;
    Ok((answered?, body))
}
