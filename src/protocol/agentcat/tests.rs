//! What the AgentCat decoder promises, on requests recorded from the real SDKs.

use proptest::prelude::*;

use super::*;
use crate::clock::Millis;

const LIMITS: Limits = Limits { events_max: 1, event_max: 1 << 20, depth_max: 32 };

/// A recorded request as `tests/fixtures/agentcat` keeps it: method, path, headers, and the body as JSON.
fn recorded_body(recording: &str) -> Vec<u8> {
    let recording: serde_json::Value = serde_json::from_str(recording).unwrap();
    serde_json::to_vec(&recording["body"]).unwrap()
}

macro_rules! recording {
    ($name:literal) => {
        recorded_body(include_str!(concat!("../../../tests/fixtures/agentcat/", $name, ".json")))
    };
}

fn read(body: &[u8]) -> (Option<String>, Result<Fields<'_>, Refusal>) {
    let (project, event) = decode_fields(body, &LIMITS).unwrap();
    (project.map(Cow::into_owned), event)
}

fn event(body: &[u8]) -> Fields<'_> {
    read(body).1.unwrap()
}

fn json(value: &Json<'_>) -> serde_json::Value {
    match value {
        Json::Null => serde_json::Value::Null,
        Json::Bool(flag) => (*flag).into(),
        Json::Int(n) => (*n).into(),
        Json::UInt(n) => (*n).into(),
        Json::Float(n) => (*n).into(),
        Json::Str(text) => text.as_ref().into(),
        Json::Array(items) => items.iter().map(json).collect(),
        Json::Object(members) => members.iter().map(|(name, value)| (name.to_string(), json(value))).collect(),
    }
}

fn attribute(event: &Fields<'_>, name: &str) -> serde_json::Value {
    let mut found = event.attributes.iter().filter(|(n, _)| n == name);
    let value = found.next().map_or(serde_json::Value::Null, |(_, value)| json(value));
    assert!(found.next().is_none(), "{name} stands twice");
    value
}

fn names(event: &Fields<'_>) -> Vec<String> {
    event.attributes.iter().map(|(name, _)| name.to_string()).collect()
}

/// Everything in the event that is text, names of members included.
fn every_text(event: &Fields<'_>) -> Vec<String> {
    let Fields {
        event_type: _,
        id,
        name,
        timestamp: _,
        session,
        user,
        ip,
        country,
        user_agent,
        client_name,
        client_version,
        server_name,
        server_version,
        model,
        language,
        duration_ms: _,
        ok: _,
        error_type,
        error_message,
        method,
        path,
        status: _,
        value: _,
        unit,
        severity,
        body,
        trace_id,
        span_id,
        parent_id,
        consent: _,
        attributes,
    } = event;
    let members = [
        id,
        name,
        session,
        user,
        ip,
        country,
        user_agent,
        client_name,
        client_version,
        server_name,
        server_version,
        model,
        language,
        error_type,
        error_message,
        method,
        path,
        unit,
        severity,
        body,
        trace_id,
        span_id,
        parent_id,
    ];
    let mut texts: Vec<String> = members.into_iter().flatten().map(|text| text.to_string()).collect();
    for (name, value) in attributes {
        texts.push(name.to_string());
        collect(&json(value), &mut texts);
    }
    texts
}

fn collect(value: &serde_json::Value, texts: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => texts.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        serde_json::Value::Object(members) => members.iter().for_each(|(name, value)| {
            texts.push(name.clone());
            collect(value, texts);
        }),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

#[test]
fn a_python_call_is_read_whole() {
    let body = recording!("py-call");
    let (project, event) = read(&body);
    let event = event.unwrap();
    assert_eq!(project.as_deref(), Some("proj_demo"));
    assert_eq!(event.event_type, Some(EventType::McpToolCall));
    assert_eq!(event.id.as_deref(), Some("evt_3MSao4IjBrLzvnMEtTXdXdVVxrw"));
    assert_eq!(event.name.as_deref(), Some("get_weather"));
    assert_eq!(event.session.as_deref(), Some("ses_3MSao2lUD6um58GoCnKJsM8nNR2"));
    assert_eq!(event.user.as_deref(), Some("user-42"));
    assert_eq!((event.ok, event.duration_ms), (Some(true), Some(22.0)));
    assert_eq!(event.timestamp, Millis::parse_rfc3339("2026-11-22T11:23:13.488Z"));
    assert_eq!(event.language.as_deref(), Some("Python 3.11"));
    assert_eq!(
        (event.client_name.as_deref(), event.client_version.as_deref()),
        (Some("capture-client"), Some("9.9.9"))
    );
    assert_eq!((event.server_name.as_deref(), event.server_version.as_deref()), (Some("weather-mcp"), None));
    assert_eq!(attribute(&event, "arguments"), serde_json::json!({"city": "Oslo", "card": "[card]"}));
    assert_eq!(attribute(&event, "intent").as_str().unwrap().get(..20), Some("Checking the weather"));
    assert_eq!(attribute(&event, "response")["structuredContent"]["result"], "17C in Oslo [card]");
    assert_eq!(attribute(&event, "identify")["email"], "ada@example.com");
    assert_eq!(attribute(&event, "user_name"), "Ada Lovelace");
    assert_eq!(attribute(&event, "tags")["region"], "eu-west-1");
    assert_eq!(attribute(&event, "properties")["device"]["os"], "linux");
    assert_eq!(attribute(&event, "agentcat_version"), "2.1.0");
    assert_eq!(attribute(&event, "request_id"), 2);
    assert_eq!(event.attributes.len(), 9);
}

#[test]
fn every_recording_gets_its_type_name_session_user_and_outcome() {
    use EventType::{Custom, Identify, McpInitialize, McpToolCall, McpToolsList};
    let recordings = [
        (recording!("py-error"), McpToolCall, Some("get_weather"), true, true, false),
        (recording!("py-custom"), Custom, Some("checkout"), true, false, true),
        (recording!("py-http-call"), McpToolCall, Some("get_weather"), true, false, true),
        (recording!("py-http-error"), McpToolCall, Some("get_weather"), true, false, false),
        (recording!("py-http-no-session"), McpToolCall, Some("get_weather"), false, false, true),
        (recording!("node-identify"), Identify, None, true, true, true),
        (recording!("node-tools-list"), McpToolsList, None, true, true, true),
        (recording!("node-initialize"), McpInitialize, None, true, true, true),
        (recording!("node-call"), McpToolCall, Some("get_weather"), true, true, true),
        (recording!("node-error"), McpToolCall, Some("get_weather"), true, true, false),
        (recording!("node-custom-error"), Custom, None, true, false, false),
        (recording!("node-custom"), Custom, Some("checkout"), true, true, true),
    ];
    for (body, event_type, name, own_session, user, ok) in recordings {
        let (project, event) = read(&body);
        let event = event.unwrap();
        assert_eq!(project.as_deref(), Some("proj_demo"));
        assert_eq!(event.event_type, Some(event_type));
        assert_eq!(event.name.as_deref(), name);
        assert_eq!(event.session.as_deref().is_some_and(|s| s.starts_with("ses_")), own_session);
        assert_eq!(event.user.as_deref(), user.then_some("user-42"));
        assert_eq!(event.ok, Some(ok));
        assert!(event.id.as_deref().is_some_and(|id| id.starts_with("evt_")));
        assert!(event.timestamp.is_some());
    }
}

#[test]
fn errors_are_taken_apart() {
    let body = recording!("py-error");
    let error = event(&body);
    assert_eq!(error.error_type.as_deref(), Some("ToolError"));
    assert_eq!(error.error_message.as_deref(), Some("Error executing tool get_weather: unknown city: Atlantis"));
    assert_eq!(attribute(&error, "error")["frames"][0]["lineno"], 541);
    assert_eq!(attribute(&error, "error")["message"], serde_json::Value::Null);
    let body = recording!("node-custom-error");
    let custom = event(&body);
    assert_eq!((custom.error_type.as_deref(), custom.error_message.as_deref()), (None, Some("boom")));
    assert_eq!(attribute(&custom, "error"), serde_json::json!({"code": "E1"}));
}

#[test]
fn what_typescript_sends_twice_is_read_once() {
    let body = recording!("node-call");
    let call = event(&body);
    assert_eq!(attribute(&call, "arguments"), serde_json::json!({"city": "Oslo", "card": "[card]"}));
    let mut once = names(&call);
    once.sort();
    let by_contract = [
        "arguments",
        "identify",
        "intent",
        "mcpcat_version",
        "properties",
        "request_id",
        "response",
        "tags",
        "user_name",
    ];
    assert_eq!(once, by_contract);
    let body = recording!("node-initialize");
    assert_eq!(attribute(&event(&body), "parameters")["protocolVersion"], "2025-11-25");

    let body = br#"{"event_type":"mcp:ping","newField":1,"new_field":1,"loneField":2,"resourceName":"copy"}"#;
    assert_eq!(names(&event(body)), ["mcp_method", "new_field", "loneField"]);
    assert_eq!(event(body).name.as_deref(), Some("ping"));
}

#[test]
fn no_header_of_an_end_user_becomes_part_of_the_event() {
    for body in [recording!("py-http-call"), recording!("py-http-error"), recording!("py-http-no-session")] {
        let sent: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let extra = &sent["parameters"]["extra"];
        let headers = extra["requestInfo"]["headers"].as_object().unwrap();
        assert_eq!(headers["authorization"], "Bearer user-token-SECRET");
        let event = event(&body);
        let texts = every_text(&event);
        for (name, value) in headers {
            let value = value.as_str().unwrap();
            // The transport's session is the one id that may stand in for a missing session, and only there.
            let stands_in = event.session.as_deref() == Some(value) && extra["sessionId"] == value;
            let allowed = usize::from(stands_in);
            assert_eq!(texts.iter().filter(|text| *text == value).count(), allowed, "the value of {name}");
            assert!(!texts.contains(name), "{name}");
        }
        assert!(texts.iter().all(|text| !text.contains("SECRET")));
        assert_eq!(attribute(&event, "request_id"), extra["requestId"]);
    }
}

#[test]
fn carriers_of_headers_are_dropped_on_every_level_of_the_request() {
    let body = br#"{"event_type":"mcp:tools/call","extra":{"authInfo":{"token":"SECRET"}},"requestInfo":{"headers":{"cookie":"SECRET"}},
        "headers":{"cookie":"SECRET"},"parameters":{"name":"t","_meta":"SECRET","authInfo":"SECRET","extra":{"meta":"SECRET","authInfo":"SECRET",
        "requestId":{"SECRET":1},"sessionId":["SECRET"]},"request":{"auth":"SECRET","params":{"_meta":{"a":"SECRET"},"arguments":{"a":1},"uri":"u"}}}}"#;
    let event = event(body);
    assert!(every_text(&event).iter().all(|text| !text.contains("SECRET")));
    assert_eq!(event.name.as_deref(), Some("t"));
    assert_eq!(names(&event), ["arguments", "parameters"]);
    assert_eq!(attribute(&event, "parameters"), serde_json::json!({"uri": "u"}));
}

#[test]
fn sessions_injected_into_arguments_are_taken_out() {
    let session = |id: &str| {
        let body = format!(
            r#"{{"event_type":"mcp:tools/call","session_id":"own","parameters":{{"arguments":{{"session_id":"{id}","context":"why"}}}}}}"#
        );
        attribute(&event(body.as_bytes()), "arguments")
    };
    for injected in ["own", "start", "ses_invented"] {
        assert_eq!(session(injected), serde_json::json!({"context": "why"}), "{injected}");
    }
    assert_eq!(session("checkout-7")["session_id"], "checkout-7");
    for body in [recording!("py-error"), recording!("py-http-error"), recording!("py-http-no-session")] {
        let event = event(&body);
        let texts = every_text(&event);
        let sessions = texts.iter().filter(|text| text.starts_with("ses_")).count();
        assert_eq!(sessions, usize::from(event.session.as_deref().is_some_and(|s| s.starts_with("ses_"))));
    }
}

#[test]
fn free_json_is_taken_as_it_comes() {
    let body = recording!("node-custom");
    assert_eq!(attribute(&event(&body), "response"), "shipped");
    assert_eq!(attribute(&event(&body), "parameters"), serde_json::json!({"order": 7}));
    let body = br#"{"event_type":"agentcat:custom","session_id":null,"parameters":[1],"response":false,"error":7,"properties":"p","tags":[],"parameters":{"name":"n"}}"#;
    let custom = event(body);
    assert_eq!(custom.session, None);
    assert_eq!(attribute(&custom, "response"), false);
    assert_eq!(attribute(&custom, "error"), 7);
    assert_eq!(attribute(&custom, "properties"), "p");
    assert_eq!(attribute(&custom, "parameters"), serde_json::json!({"name": "n"}));
    let body = br#"{"event_type":"mcpcat:custom","parameters":"text","error":"boom"}"#;
    assert_eq!(attribute(&event(body), "parameters"), "text");
    assert_eq!(event(body).error_message.as_deref(), Some("boom"));
}

#[test]
fn methods_have_types() {
    let kind = |event_type: &str| {
        let body = format!(r#"{{"event_type":"{event_type}"}}"#);
        decode_fields(body.as_bytes(), &LIMITS).unwrap().1.map(|f| (f.event_type.unwrap(), f.name.map(Cow::into_owned)))
    };
    let custom = |name: &str| Ok((EventType::Custom, Some(name.to_owned())));
    assert_eq!(kind("mcp:resources/read"), Ok((EventType::McpResourceRead, None)));
    assert_eq!(kind("mcp:prompts/get"), Ok((EventType::McpPromptGet, None)));
    assert_eq!(kind("mcp:completion/complete"), custom("completion/complete"));
    assert_eq!(kind("mcpcat:identify"), Ok((EventType::Identify, None)));
    for unknown in ["", "tools/call", "agentcat:", "agentcat:other"] {
        assert_eq!(kind(unknown), Err(Refusal::at(Reason::TypeUnknown, "/event_type")), "{unknown}");
    }
    let body = br#"{"event_type":"mcp:tasks/get","resource_name":"t"}"#;
    assert_eq!(attribute(&event(body), "mcp_method"), "tasks/get");
    assert_eq!(event(body).name.as_deref(), Some("t"));
}

#[test]
fn a_refused_event_still_names_its_project() {
    let cases = [
        (r#""event_type":7"#, Reason::WrongType, "/event_type"),
        (r#""duration":"7","event_type":"mcp:ping""#, Reason::WrongType, "/duration"),
        (r#""duration":-1,"event_type":"mcp:ping""#, Reason::OutOfRange, "/duration"),
        (r#""is_error":"no","event_type":"mcp:ping""#, Reason::WrongType, "/is_error"),
        (r#""timestamp":"noon","event_type":"mcp:ping""#, Reason::TimestampInvalid, "/timestamp"),
        (r#""session_id":[],"event_type":"mcp:ping""#, Reason::WrongType, "/session_id"),
        (r#""id":"evt_1""#, Reason::TypeMissing, ""),
    ];
    for (members, reason, place) in cases {
        let body = format!(r#"{{{members},"project_id":"proj_x"}}"#);
        let decoded = decode(body.as_bytes(), &LIMITS).unwrap();
        assert_eq!(decoded.project_id.as_deref(), Some("proj_x"), "{members}");
        assert_eq!(decoded.event.err(), Some(Refusal::at(reason, place)), "{members}");
    }
    assert_eq!(read(b"[]").1.err(), Some(Refusal::whole(Reason::NotAnObject)));
}

#[test]
fn limits_hold() {
    let small = Limits { event_max: 10, depth_max: 3, ..LIMITS };
    let too_large = decode(b"{\"event_type\":1}", &small).unwrap();
    assert_eq!(too_large.event.err(), Some(Refusal::whole(Reason::TooLarge)));
    assert_eq!(decode(b"{\"a\":[[]]}", &small).unwrap().event.err(), Some(Refusal::whole(Reason::TypeMissing)));
    assert_eq!(decode(b"[[[[]]]]", &small).err(), Some(DecodeError::TooDeep { limit: 3 }));
    assert_eq!(decode(b"{\"a\":", &small).err(), Some(DecodeError::Json { line: 1, column: 5 }));
}

#[test]
fn the_answer_is_json_with_a_body() {
    let answer: serde_json::Value = serde_json::from_str(ACCEPTED_BODY).unwrap();
    assert_eq!(answer, serde_json::json!({"status": "accepted"}));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&body, &LIMITS);
    }

    #[test]
    fn any_damage_is_survived(at: prop::sample::Index, byte: u8) {
        for mut body in [recording!("py-http-error"), recording!("node-call")] {
            let at = at.index(body.len());
            body[at] = byte;
            let _ = decode(&body, &LIMITS);
        }
    }
}
