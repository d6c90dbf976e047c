//! What commands do that they should not, and what must not come of it.

use std::fs;

use super::*;

const ACME: TenantId = TenantId([1; 8]);

/// A command that keeps its keys in a directory of its own, and may misbehave.
struct Script {
    dir: tempfile::TempDir,
}

impl Script {
    fn new() -> Self {
        Script { dir: tempfile::tempdir().unwrap() }
    }

    fn keks(&self, misbehaviour: &str, timeout: Duration) -> CommandKeks {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keys/command.py");
        let args = [script, self.dir.path().to_str().unwrap(), misbehaviour].map(str::to_owned);
        CommandKeks::new("python3".to_owned(), args.to_vec(), timeout)
    }

    fn well(&self) -> CommandKeks {
        self.keks("", Duration::from_secs(60))
    }

    fn calls(&self) -> usize {
        fs::read(self.dir.path().join("calls")).map_or(0, |calls| calls.len())
    }
}

/// How each operation fails if the command misbehaves.
fn refusals(misbehaviour: &str, timeout: Duration) -> Vec<String> {
    let script = Script::new();
    let keks = script.keks(misbehaviour, timeout);
    let refusals = [
        keks.ensure(&[(ACME, 1)]).err(),
        keks.find(ACME, 1).err(),
        keks.destroy(ACME, 1).err(),
        keks.epochs(ACME).err(),
    ];
    assert!(keks.found().keks.is_empty());
    refusals.into_iter().flatten().map(|error| error.to_string()).collect()
}

fn patient(misbehaviour: &str) -> Vec<String> {
    refusals(misbehaviour, Duration::from_secs(60))
}

#[test]
fn a_command_that_takes_too_long_is_killed() {
    for misbehaviour in ["sleeps", "forks-and-sleeps", "drips", "closes-and-sleeps"] {
        let refusals = refusals(misbehaviour, Duration::from_millis(300));
        assert_eq!(refusals.len(), 4, "{misbehaviour}");
        assert!(
            refusals.iter().all(|text| text.ends_with("within keys.command_timeout; it was killed")),
            "{refusals:?}"
        );
    }
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let refusals = patient("floods");
    assert_eq!(refusals.len(), 4);
    assert!(refusals.iter().all(|text| text.ends_with("its answer is longer than 64 KiB")), "{refusals:?}");
}

#[test]
fn an_answer_that_is_none_is_refused_and_not_repeated() {
    for misbehaviour in ["garbage", "silent", "two", "empty"] {
        let refusals = patient(misbehaviour);
        assert_eq!(refusals.len(), 4, "{misbehaviour}");
        assert!(refusals.iter().all(|text| text.contains(": its answer is not one ")), "{refusals:?}");
        assert!(refusals.iter().all(|text| !text.contains("hunter2")), "{refusals:?}");
    }
}

#[test]
fn a_key_of_another_length_is_refused() {
    for misbehaviour in ["short", "long", "very-long", "not-base64"] {
        let refusals = patient(misbehaviour);
        for (text, operation) in refusals.iter().zip(["create", "find"]) {
            let expected = format!("keys.command python3: {operation}: its answer is not a key of 32 bytes in base64");
            assert_eq!(*text, expected, "{misbehaviour}");
        }
    }
}

#[test]
fn an_exit_code_is_a_failure_whatever_was_printed() {
    let refusals = patient("fails");
    assert_eq!(refusals.len(), 4);
    assert!(refusals.iter().all(|text| text.ends_with("it ended with exit status: 3")), "{refusals:?}");
}

#[test]
fn the_words_of_a_command_reach_the_operator_shortened() {
    for text in patient("refuses") {
        assert!(text.contains("it answered: the vault is sealed xxx"), "{text}");
        assert!(text.len() < 300);
    }
}

#[test]
fn epochs_that_cannot_be_are_refused() {
    assert!(patient("epochs")[3].contains("its answer is not one JSON object of the kind"));
}

#[test]
fn a_command_that_is_missing_is_named() {
    let keks = CommandKeks::new("/nowhere/kms".to_owned(), Vec::new(), Duration::from_secs(60));
    let refusal = keks.find(ACME, 1).err().expect("there is no such command").to_string();
    assert!(refusal.starts_with("keys.command /nowhere/kms: find: "), "{refusal}");
}

#[test]
fn a_command_that_does_not_read_its_question_may_answer_it() {
    let args = ["-c", "exec <&-; echo '{\"epochs\":[3,1,3]}'"].map(str::to_owned);
    let keks = CommandKeks::new("sh".to_owned(), args.to_vec(), Duration::from_secs(60));
    assert_eq!(keks.epochs(ACME).unwrap(), [1, 3]);
}

#[test]
fn a_kek_is_asked_for_once_and_forgotten_with_its_destruction() {
    let script = Script::new();
    let keks = script.well();
    let made = keks.ensure(&[(ACME, 1)]).unwrap();
    for _ in 0..3 {
        assert_eq!(keks.find(ACME, 1).unwrap().unwrap().bytes(), made[0].bytes());
    }
    assert_eq!(script.calls(), 1);
    assert!(keks.destroy(ACME, 1).unwrap());
    assert!(keks.found().keks.is_empty());
    assert!(keks.find(ACME, 1).unwrap().is_none());
    assert_eq!(script.calls(), 3);
}

#[test]
fn a_kek_stays_in_memory_when_its_destruction_fails() {
    let script = Script::new();
    let mut keks = script.well();
    let made = keks.ensure(&[(ACME, 1)]).unwrap();
    keks.args = script.keks("fails", Duration::from_secs(60)).args;
    assert!(keks.destroy(ACME, 1).is_err());
    assert_eq!(keks.find(ACME, 1).unwrap().unwrap().bytes(), made[0].bytes());
}

#[test]
fn a_kek_that_was_asked_for_before_its_destruction_is_not_kept_after_it() {
    let script = Script::new();
    script.well().ensure(&[(ACME, 1)]).unwrap();
    let keks = script.well();
    let late = keks.keep((ACME, 1), || {
        let answered = keks.ask("find", ACME, Some(1), |answer| answer.secret())?;
        keks.destroy(ACME, 1)?;
        Ok(answered)
    });
    assert!(late.unwrap().is_some());
    assert!(keks.find(ACME, 1).unwrap().is_none());
}
