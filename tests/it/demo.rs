//! The first thing a new user runs.

#[test]
fn the_demo_shows_all_three_kinds_and_ends_by_itself() {
    let output = crate::world::tracebell().args(["demo", "--for", "12s"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{errors}");
    for part in [
        "Slack message",
        "Slack reply in the thread",
        "[Silence this]",
        "Mail to ops@example.org",
        "Webhook POST",
        "holds",
    ] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}\n{errors}");
    }
    assert!(!text.contains("null") && !text.contains("DOES NOT HOLD"), "{text}");
    assert!(!text.contains('\u{1b}'), "colour although this is no terminal");
}

#[test]
fn a_bad_duration_is_explained() {
    let output = crate::world::tracebell().args(["demo", "--for", "soon"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`soon` is not a duration"));
}
