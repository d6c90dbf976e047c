//! What is asked is heeded or refused by its name, never guessed.

use proptest::prelude::*;

use super::words::CALENDAR;
use super::*;

const NOW: Millis = Millis(1_790_000_000_000);

fn parse(question: Question, pairs: &[(&str, &str)]) -> Result<Params, ParamError> {
    Params::parse(question, pairs.iter().copied(), NOW, 1000)
}

fn refused(question: Question, pairs: &[(&str, &str)]) -> ParamError {
    parse(question, pairs).err().unwrap()
}

#[test]
fn defaults_are_the_last_day() {
    let params = parse(Question::Series, &[]).unwrap();
    assert_eq!((params.from, params.to), (NOW.plus(1 - DAY_MS), NOW.plus(1)));
    assert_eq!((params.interval_ms, params.by, params.limit), (15 * MINUTE_MS, None, 10));
    assert_eq!(parse(Question::Sessions, &[]).unwrap().limit, 100);
    assert_eq!(Params::parse(Question::Sessions, [], NOW, 7).ok().unwrap().limit, 7);
    assert!(!params.is_subject_filtered());
}

#[test]
fn moments_have_four_forms() {
    let from =
        |text: &str| parse(Question::Summary, &[("from", text), ("to", "9999-12-31T00:00:00Z")]).map(|p| p.from.0);
    assert_eq!(from("2026-09-21T13:33:20Z"), Ok(1_789_997_600_000));
    assert_eq!(from("2026-09-21T15:33:20 02:00"), Ok(1_789_997_600_000));
    assert_eq!(from("1789997600000"), Ok(1_789_997_600_000));
    assert_eq!(from("now"), Ok(NOW.0));
    assert_eq!(from("-90m"), Ok(NOW.0 - 90 * MINUTE_MS));
    assert_eq!(from("-2w"), Ok(NOW.0 - 14 * DAY_MS));
    for bad in [
        "",
        "-",
        "-5",
        "-0h",
        "-m",
        "5m",
        "yesterday",
        "+5",
        "-é",
        "99999999999999999999",
        "-9999999999999w",
        "999999999999999",
    ] {
        assert!(matches!(from(bad), Err(ParamError::Malformed { name: "from", .. })), "{bad}");
    }
}

#[test]
fn what_cannot_be_heeded_is_refused() {
    let limit = |text| refused(Question::Top, &[("limit", text)]);
    assert_eq!(limit("1001"), ParamError::LimitTooLarge { limit_max: 1000 });
    assert_eq!(limit("99999999999999999999"), ParamError::Malformed { name: "limit", expected: LIMIT });
    assert_eq!(limit("0"), ParamError::Malformed { name: "limit", expected: LIMIT });
    assert_eq!(refused(Question::Summary, &[("from", "now"), ("to", "-1s")]), ParamError::EmptyRange);
    assert_eq!(refused(Question::Summary, &[("to", "now"), ("from", "now")]), ParamError::EmptyRange);
    assert_eq!(refused(Question::Summary, &[("name", "a"), ("name", "a")]), ParamError::Repeated { name: "name" });
    assert!(matches!(refused(Question::Top, &[("filter", "no column")]), ParamError::Filter(_)));
    assert_eq!(
        refused(Question::Series, &[("by", "name"), ("group", "hour_of_week")]),
        ParamError::Apart { name: "group", other: "by" }
    );
    assert_eq!(refused(Question::Funnel, &[]), ParamError::Missing { name: "steps", expected: STEPS });
    for (question, name, value) in [
        (Question::Top, "by", "colour"),
        (Question::Summary, "type", "mcp.tool"),
        (Question::Summary, "session", ""),
        (Question::Series, "by", "colour"),
        (Question::Geo, "by", "city"),
        (Question::Series, "group", "day"),
        (Question::Funnel, "steps", "a"),
        (Question::Funnel, "steps", "a,,b"),
        (Question::Funnel, "steps", "a,b,c,d,e,f,g,h,i,j,k"),
        (Question::Retention, "period", "month"),
        (Question::Journeys, "length", "0"),
        (Question::Journeys, "length", "21"),
        (Question::Errors, "cursor", "AAAA"),
        (Question::Series, "interval", "1w"),
        (Question::Series, "interval", "0m"),
        (Question::Sessions, "cursor", "%%"),
        (Question::Sessions, "cursor", "AAAA"),
    ] {
        assert!(
            matches!(refused(question, &[(name, value)]), ParamError::Malformed { name: n, .. } if n == name),
            "{name}"
        );
    }
    let odd_span = refused(Question::Funnel, &[("steps", "a,b"), ("within", "0m")]);
    assert_eq!(odd_span, ParamError::Malformed { name: "within", expected: SPAN });
    let unused = [
        (Question::Summary, "interval"),
        (Question::Geo, "session"),
        (Question::Replay, "session"),
        (Question::Top, "cursor"),
        (Question::Sessions, "by"),
    ];
    for (question, name) in unused {
        assert_eq!(refused(question, &[(name, "x")]), ParamError::Unknown { takes: question.takes() });
    }
}

#[test]
fn errors_never_repeat_what_was_given() {
    for pairs in [
        ("session-canary", "x"),
        ("type", "canary"),
        ("from", "canary"),
        ("cursor", "canary"),
        ("by", "canary"),
        ("filter", "canary"),
    ] {
        for question in Question::ALL {
            assert!(!refused(question, &[pairs]).to_string().contains("canary"));
        }
    }
}

#[test]
fn a_series_has_at_most_so_many_points() {
    assert_eq!(
        refused(Question::Series, &[("from", "-7d"), ("interval", "1m")]),
        ParamError::TooManyPoints { points: 10_081, points_max: POINTS_MAX }
    );
    assert!(parse(Question::Series, &[("from", "-6d"), ("interval", "1m")]).is_ok());
}

proptest! {
    #[test]
    fn a_cursor_reads_back(last: i64, id in "\\PC{0,40}") {
        let cursor = Cursor::parse(&Cursor::encode(Millis(last), &id)).unwrap();
        prop_assert_eq!((cursor.last_activity.0, cursor.id), (last, id));
    }

    #[test]
    fn no_text_makes_it_panic(value in "\\PC{0,30}", which in 0..8usize) {
        for question in [Question::Series, Question::Top, Question::Sessions] {
            let name = ["from", "to", "type", "interval", "by", "limit", "cursor", "name"][which];
            let _ = parse(question, &[(name, &value)]);
        }
    }

    #[test]
    fn the_default_interval_always_fits(from in CALENDAR, length in 1..=300_000_000_000_000i64) {
        let params = parse(Question::Series, &[("from", &from.max(0).to_string()), ("to", &(from.max(0) + length).min(*CALENDAR.end()).to_string())]);
        if let Ok(params) = params {
            prop_assert!(params.points() <= DEFAULT_POINTS + 1);
            prop_assert!(params.first_point() <= params.from.0);
            prop_assert!(params.first_point() + params.points() * params.interval_ms >= params.to.0);
        }
    }
}

#[test]
fn steps_are_names_types_or_both() {
    let steps = |text: &str| parse(Question::Funnel, &[("steps", text)]).ok().unwrap().steps;
    let told = |text| steps(text).into_iter().map(|step| (step.event_type, step.name)).collect::<Vec<_>>();
    assert_eq!(
        told("a,custom:b,mcp.initialize:,x:y"),
        [
            (None, Some("a".to_owned())),
            (Some(EventType::Custom), Some("b".to_owned())),
            (Some(EventType::McpInitialize), None),
            (None, Some("x:y".to_owned())),
        ]
    );
}

#[test]
fn what_singles_out_needs_the_right_to_rows() {
    let needs = |question, pairs: &[(&str, &str)]| parse(question, pairs).ok().unwrap().needs_export(question);
    assert!(
        !needs(Question::Top, &[("by", "country")]) && !needs(Question::Geo, &[]) && !needs(Question::Journeys, &[])
    );
    assert!(
        !needs(Question::Top, &[("by", "name"), ("type", "custom")]) && !needs(Question::Series, &[("by", "name")])
    );
    assert!(!needs(Question::Summary, &[("session", "s")]) && needs(Question::Series, &[("by", "user")]));
    assert!(needs(Question::Top, &[("by", "country"), ("session", "s")]));
    // What is hidden of the one answer would be the other without what is shown.
    assert!(
        needs(Question::Top, &[("by", "country"), ("name", "a")]) && needs(Question::Retention, &[("type", "custom")])
    );
}

#[test]
fn retention_has_as_many_periods_as_a_number_has_bits() {
    let periods = |pairs: &[(&str, &str)]| parse(Question::Retention, pairs).map(|params| params.periods());
    assert_eq!(periods(&[]), Ok(31));
    assert_eq!(periods(&[("from", "-63d")]), Ok(64));
    assert_eq!(periods(&[("from", "-64d")]), Err(ParamError::TooManyPoints { points: 65, points_max: PERIODS_MAX }));
    assert_eq!(periods(&[("from", "-64d"), ("period", "week")]), Ok(11));
}

#[test]
fn lines_of_a_series_count_as_points() {
    let asked =
        |limit| parse(Question::Series, &[("by", "name"), ("from", "-7d"), ("interval", "1h"), ("limit", limit)]);
    assert!(asked("57").is_ok() && asked("58").is_err());
}

proptest! {
    #[test]
    fn a_place_reads_back(time: i64, received: i64, checksum: u32, shown: u32) {
        let place = Place { key: (time, received, checksum), shown };
        prop_assert_eq!(Place::parse(&place.encode()), Some(place));
        prop_assert_eq!(Place::parse(&place.encode()[1..]), None);
    }
}
