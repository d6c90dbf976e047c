//! What the native protocol promises.

use proptest::prelude::*;

use super::*;
use crate::clock::Millis;
use crate::privacy::event::{Consent, EventType};
use crate::privacy::json::Json;

const LIMITS: Limits = Limits { events_max: 100, event_max: 4096, depth_max: 8 };

/// All events of a body with their members in the open.
fn read<'a>(body: &'a [u8], form: Form, limits: &Limits) -> Result<Vec<Event<'a>>, DecodeError> {
    let mut events = Events::new(body, form, *limits)?;
    std::iter::from_fn(|| events.next_fields()).collect()
}

fn one(body: &str) -> Event<'_> {
    let mut events = read(body.as_bytes(), Form::Json, &LIMITS).unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// How each event ended: its name, or its refusal.
fn ends(body: &str, form: Form, limits: &Limits) -> Result<Vec<Result<String, Refusal>>, DecodeError> {
    let named = |event: Event<'_>| event.map(|fields| fields.name.unwrap_or_default().into_owned());
    Ok(read(body.as_bytes(), form, limits)?.into_iter().map(named).collect())
}

fn show(value: &Json<'_>) -> String {
    match value {
        Json::Null => "null".into(),
        Json::Bool(flag) => flag.to_string(),
        Json::Int(n) => n.to_string(),
        Json::UInt(n) => n.to_string(),
        Json::Float(n) => n.to_string(),
        Json::Str(text) => format!("{text:?}"),
        Json::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(",")),
        Json::Object(members) => show_members(members),
    }
}

fn show_members(members: &[(crate::privacy::json::Text<'_>, Json<'_>)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{}", show(value))).collect();
    format!("{{{}}}", members.join(","))
}

#[test]
fn every_member_finds_its_field() {
    let event = one(
        r#" {"id":"e1","type":"mcp.tool_call","name":"scan","timestamp":"2026-11-22T12:00:00Z","session":"s","user":42,
        "ip":"192.0.2.7","user_agent":"curl","client":{"name":"c","version":"1"},"server":{"name":"v","version":"2"},
        "model":"m","language":"rust","duration_ms":150,"ok":false,"error":{"type":"t","message":"boom"},"method":"GET","path":"/x",
        "status":404,"value":-1.5,"unit":"By","severity":"warn","body":"b","trace_id":"0a","span_id":"0b","parent_id":"0c",
        "attributes":{"a":[1,{"b":null}]},"consent":"granted"} "#,
    )
    .unwrap();
    assert_eq!(event.event_type, Some(EventType::McpToolCall));
    assert_eq!(event.timestamp, Some(Millis(1_795_348_800_000)));
    assert_eq!((event.duration_ms, event.value), (Some(150.0), Some(-1.5)));
    assert_eq!((event.ok, event.status, event.consent), (Some(false), Some(404), Some(Consent::Granted)));
    let texts = [
        (&event.id, "e1"),
        (&event.name, "scan"),
        (&event.session, "s"),
        (&event.user, "42"),
        (&event.ip, "192.0.2.7"),
        (&event.user_agent, "curl"),
        (&event.client_name, "c"),
        (&event.client_version, "1"),
        (&event.server_name, "v"),
        (&event.server_version, "2"),
        (&event.model, "m"),
        (&event.language, "rust"),
        (&event.error_type, "t"),
        (&event.error_message, "boom"),
        (&event.method, "GET"),
        (&event.path, "/x"),
        (&event.unit, "By"),
        (&event.severity, "warn"),
        (&event.body, "b"),
        (&event.trace_id, "0a"),
        (&event.span_id, "0b"),
        (&event.parent_id, "0c"),
    ];
    for (field, sent) in texts {
        assert_eq!(field.as_deref(), Some(sent));
    }
    assert_eq!(event.country, None);
    assert_eq!(show_members(&event.attributes), "{a:[1,{b:null}]}");
}

#[test]
fn absent_and_null_are_the_same() {
    let all_null = r#"{"type":"log","id":null,"name":null,"timestamp":null,"session":null,"user":null,"ip":null,"client":null,
        "server":null,"error":null,"duration_ms":null,"ok":null,"status":null,"value":null,"attributes":null,"consent":null}"#;
    for body in [all_null, r#"{"type":"log"}"#] {
        let event = one(body).unwrap();
        assert_eq!((event.ok, event.timestamp, event.duration_ms, event.consent), (None, None, None, None));
        assert!(event.id.is_none() && event.client_name.is_none() && event.error_message.is_none());
        assert!(event.attributes.is_empty());
    }
}

#[test]
fn an_error_may_be_its_message() {
    let event = one(r#"{"type":"error","error":"boom"}"#).unwrap();
    assert_eq!((event.error_type.as_deref(), event.error_message.as_deref()), (None, Some("boom")));
}

#[test]
fn what_is_unknown_becomes_an_attribute_and_attributes_win() {
    let event = one(
        r#"{"type":"custom","plan":"pro","seat":1,"attributes":{"plan":"free"},"client":{"name":"c","os":"linux"},"error":{"stack":"at f"}}"#,
    )
    .unwrap();
    assert_eq!(show_members(&event.attributes), r#"{plan:"free",seat:1,client:{os:"linux"},error:{stack:"at f"}}"#);

    let many: Vec<String> = (0..100).map(|i| format!("\"k{i}\":{i}")).collect();
    let body = format!(r#"{{"type":"custom","k7":"outside","new":1,"attributes":{{{}}}}}"#, many.join(","));
    let event = one(&body).unwrap();
    assert_eq!(event.attributes.len(), 101);
    assert!(event.attributes.iter().any(|(name, value)| name == "k7" && show(value) == "7"));
}

#[test]
fn a_refusal_names_the_member_and_the_cause() {
    let cases = [
        (r#"{}"#, Reason::TypeMissing, ""),
        (r#"{"type":null}"#, Reason::TypeMissing, ""),
        (r#"{"type":"nope"}"#, Reason::TypeUnknown, "/type"),
        (r#"{"type":7}"#, Reason::WrongType, "/type"),
        (r#"{"type":"log","id":{}}"#, Reason::WrongType, "/id"),
        (r#"{"type":"log","user":1.5}"#, Reason::WrongType, "/user"),
        (r#"{"type":"log","name":5}"#, Reason::WrongType, "/name"),
        (r#"{"type":"log","duration_ms":"5"}"#, Reason::WrongType, "/duration_ms"),
        (r#"{"type":"log","duration_ms":-5}"#, Reason::OutOfRange, "/duration_ms"),
        (r#"{"type":"log","ok":"true"}"#, Reason::WrongType, "/ok"),
        (r#"{"type":"log","status":"200"}"#, Reason::WrongType, "/status"),
        (r#"{"type":"log","status":99}"#, Reason::OutOfRange, "/status"),
        (r#"{"type":"log","timestamp":1795348800}"#, Reason::TimestampInvalid, "/timestamp"),
        (r#"{"type":"log","client":"c"}"#, Reason::WrongType, "/client"),
        (r#"{"type":"log","server":{"version":2}}"#, Reason::WrongType, "/server/version"),
        (r#"{"type":"log","error":{"message":[]}}"#, Reason::WrongType, "/error/message"),
        (r#"{"type":"log","error":7}"#, Reason::WrongType, "/error"),
        (r#"{"type":"log","attributes":[]}"#, Reason::WrongType, "/attributes"),
        (r#"{"type":"log","consent":true}"#, Reason::WrongType, "/consent"),
        (r#"{"type":"log","consent":"perhaps"}"#, Reason::OutOfRange, "/consent"),
        (r#"{"ok":1,"user":[]}"#, Reason::WrongType, "/ok"),
        ("42", Reason::NotAnObject, ""),
        ("-1.5", Reason::NotAnObject, ""),
        ("null", Reason::NotAnObject, ""),
        ("true", Reason::NotAnObject, ""),
        ("\"x\"", Reason::NotAnObject, ""),
    ];
    for (body, reason, place) in cases {
        assert_eq!(one(body).err(), Some(Refusal::at(reason, place)), "{body}");
    }
}

#[test]
fn one_bad_event_spares_its_neighbours() {
    let body =
        r#"[{"type":"log","name":"a"}, 5, {"type":"log","ok":1}, [[[[[[[[[[1]]]]]]]]]], {"type":"log","name":"b"}]"#;
    let ended = ends(body, Form::Json, &LIMITS).unwrap();
    let not_an_object = Err(Refusal::whole(Reason::NotAnObject));
    let wrong = Err(Refusal::at(Reason::WrongType, "/ok"));
    assert_eq!(ended, [Ok("a".to_owned()), not_an_object.clone(), wrong, not_an_object, Ok("b".to_owned())]);
}

#[test]
fn a_line_that_is_not_json_is_one_refused_event() {
    let body = b"{\"type\":\"log\",\"name\":\"a\"}\r\n\n  \n{oops\n{\"type\":\"log\"} {}\n\"\xff\"\n[]\n{\"type\":\"log\",\"name\":\"b\"}";
    let ended: Vec<_> = read(body, Form::Ndjson, &LIMITS).unwrap().into_iter().map(|event| event.map(|_| ())).collect();
    let not_json = || Err(Refusal::whole(Reason::NotJson));
    let not_an_object = Err(Refusal::whole(Reason::NotAnObject));
    assert_eq!(ended, [Ok(()), not_json(), not_json(), not_json(), not_an_object, Ok(())]);
}

#[test]
fn a_syntax_error_in_json_names_its_place() {
    let cases: [(&[u8], usize, usize); 14] = [
        (b"", 1, 0),
        (b"  ", 1, 2),
        (b"{\"type\":\"log\"", 1, 13),
        (b"{\"type\":\"log\"} x", 1, 16),
        (b"[{\"type\":\"log\"} {}]", 1, 17),
        (b"[{\"type\":\"log\"},\n {\"a\" 5}]", 2, 7),
        (b"[\n{\"type\":\"log\"},\n{\"a\":\nsecret}]", 4, 1),
        (b"[{\"type\":\"log\"},]", 1, 17),
        (b"[,]", 1, 2),
        (b"[", 1, 1),
        (b"[{\"type\":\"log\"}", 1, 16),
        (b"[] []", 1, 4),
        (b"{\"a\":\n\"\xff\"}", 2, 2),
        (b"secret", 1, 1),
    ];
    for (body, line, column) in cases {
        let error = read(body, Form::Json, &LIMITS).err();
        assert_eq!(error, Some(DecodeError::Json { line, column }), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn events_before_the_error_are_yielded_and_none_after() {
    let mut events = Events::new(b"[{\"type\":\"log\"},{]", Form::Json, LIMITS).unwrap();
    assert!(events.next().unwrap().unwrap().is_ok());
    assert!(events.next().unwrap().is_err());
    assert!(events.next().is_none());
}

#[test]
fn reading_stops_at_the_number_of_events() {
    let limits = Limits { events_max: 3, ..LIMITS };
    let too_many = Some(DecodeError::TooManyEvents { limit: 3 });
    let bad_tail = "[{},{},{},{oops";
    assert_eq!(read(bad_tail.as_bytes(), Form::Json, &limits).err(), too_many);
    assert_eq!(read(b"{}\n{}\n{}\n{oops", Form::Ndjson, &limits).err(), too_many);
    assert_eq!(read(b"[{},{},{}]", Form::Json, &limits).unwrap().len(), 3);
    assert_eq!(read(b"{}\n{}\n{}\n\n", Form::Ndjson, &limits).unwrap().len(), 3);
    assert!(read(b"[]", Form::Json, &limits).unwrap().is_empty());
    assert!(read(b"\n", Form::Ndjson, &limits).unwrap().is_empty());
}

#[test]
fn an_oversized_event_is_refused_alone_and_the_limit_is_exact() {
    let event = |len: usize| format!("{{\"type\":\"log\",\"name\":\"{}\"}}", "é".repeat((len - 24) / 2));
    let limits = Limits { event_max: 124, ..LIMITS };
    let (fits, exceeds) = (event(124), event(126));
    assert_eq!((fits.len(), exceeds.len()), (124, 126));
    let long_number = "1".repeat(125);
    let items = [fits.as_str(), &exceeds, &long_number, &format!("\"{}\"", "x".repeat(10_000)), &fits];
    for (body, form) in [(format!("[ {} ]", items.join(" , ")), Form::Json), (items.join(" \n "), Form::Ndjson)] {
        let sizes: Vec<_> = ends(&body, form, &limits).unwrap().into_iter().map(|end| end.map(|_| ())).collect();
        let too_large = || Err(Refusal::whole(Reason::TooLarge));
        assert_eq!(sizes, [Ok(()), too_large(), too_large(), too_large(), Ok(())], "{form:?}");
    }
    assert_eq!(one_end(&exceeds, &limits), Err(Refusal::whole(Reason::TooLarge)));
    assert!(one_end(&fits, &limits).is_ok());
    // What is too large must still be JSON: nothing after it could be found otherwise.
    let broken = format!("[{}", &exceeds[..exceeds.len() - 1]);
    assert!(matches!(read(broken.as_bytes(), Form::Json, &limits), Err(DecodeError::Json { line: 1, .. })));
}

fn one_end(body: &str, limits: &Limits) -> Result<String, Refusal> {
    ends(body, Form::Json, limits).unwrap().remove(0)
}

#[test]
fn depth_fails_the_request_in_json_and_the_line_in_ndjson() {
    let nested =
        |levels: usize| format!("{{\"type\":\"log\",\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let too_deep = Some(DecodeError::TooDeep { limit: 8 });
    let (fits, exceeds) = (nested(8), nested(9));
    assert!(one(&fits).is_ok());
    assert_eq!(read(exceeds.as_bytes(), Form::Json, &LIMITS).err(), too_deep);
    assert_eq!(read(format!("[{exceeds}]").as_bytes(), Form::Json, &LIMITS).err(), too_deep);
    let lines = format!("{exceeds}\n{{oops\n{fits}");
    let ended: Vec<_> = ends(&lines, Form::Ndjson, &LIMITS).unwrap();
    let refused = |reason| Err(Refusal::whole(reason));
    assert_eq!(ended, [refused(Reason::TooDeep), refused(Reason::NotJson), Ok(String::new())]);
    let beyond_the_reader = Limits { depth_max: 100_000, event_max: 1_000_000, ..LIMITS };
    let error = read(nested(127).as_bytes(), Form::Json, &beyond_the_reader).err();
    assert_eq!(error, Some(DecodeError::TooDeep { limit: 126 }));
    assert!(read(nested(126).as_bytes(), Form::Json, &beyond_the_reader).is_ok());
}

#[test]
fn the_content_type_decides_and_the_body_where_it_does_not() {
    let object = b"{\"type\":\"log\"}";
    let lines = b"\n{\"type\":\"log\"}\r\n\n {\"type\":\"log\"}";
    let pretty = b"{\"a\":{}\n,\"type\":\n{\"b\":{}\n}}";
    for open in [
        None,
        Some(""),
        Some("application/json; charset=utf-8"),
        Some("Text/Plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        assert_eq!(Form::of(open, object), Ok(Form::Json), "{open:?}");
        assert_eq!(Form::of(open, lines), Ok(Form::Ndjson), "{open:?}");
        assert_eq!(Form::of(open, pretty), Ok(Form::Json), "{open:?}");
        assert_eq!(Form::of(open, b"[{}\n,{}]"), Ok(Form::Json), "{open:?}");
        assert_eq!(Form::of(open, b""), Ok(Form::Json), "{open:?}");
    }
    for set in ["application/x-ndjson", "application/jsonlines", "APPLICATION/NDJSON;x=y"] {
        assert_eq!(Form::of(Some(set), object), Ok(Form::Ndjson), "{set}");
    }
    for other in ["application/xml", "application/x-protobuf", "json", "application/jsonx"] {
        assert_eq!(Form::of(Some(other), object), Err(DecodeError::UnsupportedMediaType), "{other}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let marked = b"\xef\xbb\xbf{\"type\":\"log\"}";
    assert!(read(marked, Form::Json, &LIMITS).unwrap()[0].is_ok());
    assert!(read(marked, Form::Ndjson, &LIMITS).unwrap()[0].is_ok());
}

#[test]
fn plain_text_is_borrowed_from_the_body() {
    let body = br#"{"type":"log","name":"plain","session":"esc\u0061ped","plan":"pro"}"#;
    let event = read(body, Form::Json, &LIMITS).unwrap().remove(0).unwrap();
    assert!(matches!(event.name, Some(std::borrow::Cow::Borrowed("plain"))));
    assert_eq!(event.session.as_deref(), Some("escaped"));
    assert!(matches!(event.attributes[0].0, std::borrow::Cow::Borrowed("plan")));
}

/// JSON values whose text has no raw line break.
fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        (-1e12..1e12).prop_map(|n: f64| serde_json::to_string(&n).unwrap()),
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
    ];
    scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            proptest::collection::vec(("[a-z]{0,3}", inner), 0..4).prop_map(|members| object(&members)),
        ]
    })
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Events, most of them near the truth.
fn event() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("type"),
        Just("id"),
        Just("user"),
        Just("ok"),
        Just("client"),
        Just("error"),
        Just("timestamp"),
        Just("status"),
        Just("attributes"),
        Just("duration_ms"),
        Just("name"),
        Just("plan"),
    ];
    let member = (name.prop_map(str::to_owned), json());
    let near = proptest::collection::vec(member, 0..5).prop_map(|mut members| {
        members.insert(0, ("type".to_owned(), "\"custom\"".to_owned()));
        object(&members)
    });
    prop_oneof![4 => near, 1 => json()]
}

fn summary(events: Vec<Event<'_>>) -> Vec<String> {
    let line = |event: Event<'_>| match event {
        Ok(f) => format!("{:?} {:?} {:?} {:?} {}", f.id, f.user, f.name, f.timestamp, show_members(&f.attributes)),
        Err(refusal) => format!("{refusal:?}"),
    };
    events.into_iter().map(line).collect()
}

proptest! {
    #[test]
    fn lines_and_arrays_say_the_same(events in proptest::collection::vec(event(), 0..6), event_max in 20usize..200) {
        let limits = Limits { event_max, depth_max: 64, ..LIMITS };
        let array = format!("[{}]", events.join(",\n "));
        let lines = events.join("\n");
        let from_array = summary(read(array.as_bytes(), Form::Json, &limits).unwrap());
        let from_lines = summary(read(lines.as_bytes(), Form::Ndjson, &limits).unwrap());
        prop_assert_eq!(&from_array, &from_lines);
        prop_assert_eq!(from_array.len(), events.len());
        if let [event] = events.as_slice() && !event.starts_with('[') {
            prop_assert_eq!(&from_array, &summary(read(event.as_bytes(), Form::Json, &limits).unwrap()));
        }
    }

    #[test]
    fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..200), event_max in 0usize..50) {
        for limits in [LIMITS, Limits { events_max: 2, event_max, depth_max: 0 }] {
            let _ = decode(&body, Form::Json, &limits);
            prop_assert!(decode(&body, Form::Ndjson, &limits).map_or(true, |batch| batch.len() <= limits.events_max));
            let _ = Form::of(None, &body);
        }
    }

    #[test]
    fn any_damage_is_survived(events in proptest::collection::vec(event(), 1..4), at: prop::sample::Index, byte: u8, event_max in 0usize..99) {
        let mut body = format!("[{}]", events.join(",")).into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let limits = Limits { event_max, ..LIMITS };
        let _ = decode(&body, Form::Json, &limits);
        let _ = decode(&body, Form::Ndjson, &limits);
    }
}
