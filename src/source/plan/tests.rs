use super::*;

const POLLING: Polling = Polling {
    poll_every: Duration::from_secs(30),
    poll_quiet_every: Duration::from_secs(30),
    overlap: Duration::from_secs(30 * 60),
    watch_tracker: None,
};

fn at(text: &str) -> Timestamp {
    format!("2026-01-15T{text}Z").parse().unwrap()
}

/// Polled then, and something was found.
fn polled(at: Timestamp) -> Polled {
    Polled { at: Some(at), found: Some(at), edge: Some(at), put_off: None }
}

/// A source that has run for long and did every wide pass at `now`.
fn settled(now: Timestamp) -> Checkpoint {
    Checkpoint { watermark: now, warm_at: now, cold_at: now, deep_at: now }
}

fn window(plan: Plan) -> Window {
    match plan {
        Plan::Read(window) => window,
        other => panic!("expected a window, got {other:?}"),
    }
}

#[test]
fn the_hot_pass_is_due_at_its_interval_and_re_reads_the_overlap() {
    let now = at("12:00:00");
    let checkpoint = settled(now);
    let hot = window(POLLING.plan(&checkpoint, Polled::default(), now));
    assert_eq!((hot.pass, hot.to), (Pass::Hot, now));
    let re_read = clock::since(hot.from, now);
    assert!(re_read >= POLLING.overlap && re_read < POLLING.overlap + Duration::from_secs(3), "{re_read:?}");
    let polled = polled(now);
    assert_eq!(POLLING.plan(&checkpoint, polled, at("12:00:10")), Plan::Wait { until: at("12:00:30") });
    assert_eq!(window(POLLING.plan(&checkpoint, polled, at("12:00:30"))).pass, Pass::Hot);
    // A clock set back must not silence the source.
    assert_eq!(window(POLLING.plan(&checkpoint, polled, at("11:00:00"))).pass, Pass::Hot);
}

#[test]
fn wide_passes_come_in_between_and_starve_nothing() {
    let now = at("12:00:00");
    let old = |ago: Duration| clock::minus(now, ago);
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let warm = Checkpoint { warm_at: old(minutes(11)), ..settled(now) };
    assert_eq!(window(POLLING.plan(&warm, Polled::default(), now)).pass, Pass::Hot, "the hot pass goes first");
    let between = window(POLLING.plan(&warm, polled(now), now));
    assert_eq!((between.pass, clock::since(between.from, now)), (Pass::Warm, 2 * HOUR));
    let failing = Checkpoint { warm_at: old(minutes(600)), cold_at: old(DAY), ..settled(now) };
    assert_eq!(window(POLLING.plan(&failing, Polled::default(), now)).pass, Pass::Hot, "however long a wide one fails");
    let cold = Checkpoint { cold_at: old(6 * HOUR), ..settled(now) };
    assert_eq!(window(POLLING.plan(&cold, polled(now), now)).pass, Pass::Cold);
    let deep = window(POLLING.plan(&Checkpoint { deep_at: old(DAY), ..settled(now) }, polled(now), now));
    assert_eq!((deep.pass, clock::since(deep.from, now)), (Pass::Deep, 7 * DAY - HOUR));
}

#[test]
fn after_downtime_chunks_follow_each_other_without_holes_until_now() {
    let now = at("12:00:00");
    for hours in [1, 5, 40, 160] {
        let mut checkpoint = settled(clock::minus(now, hours * HOUR));
        let mut read_to = checkpoint.watermark;
        for _ in 0..10_000 {
            if clock::since(checkpoint.watermark, now) <= CHUNK {
                break;
            }
            let chunk = window(POLLING.plan(&checkpoint, polled(now), now));
            assert_eq!(chunk.pass, Pass::CatchUp);
            assert!(chunk.from <= read_to, "a hole before {}", chunk.from);
            assert!(clock::since(chunk.from, chunk.to) <= CHUNK);
            let advanced = POLLING.advance(&checkpoint, &chunk, now);
            assert!(advanced.watermark > checkpoint.watermark, "no progress at {}", chunk.from);
            (read_to, checkpoint) = (chunk.to, advanced);
        }
        assert!(clock::since(checkpoint.watermark, now) <= CHUNK, "{hours} h were not caught up with");
    }
}

#[test]
fn what_the_api_has_forgotten_is_a_gap_and_nothing_else_is() {
    let now = at("12:00:00");
    let old = clock::minus(now, 8 * DAY);
    let Plan::Gap { from, to, checkpoint } = POLLING.plan(&settled(old), Polled::default(), now) else {
        panic!("no gap")
    };
    assert_eq!((from, to), (old, checkpoint.watermark));
    assert_eq!(clock::since(to, now), RETENTION - FOOTHOLD);
    let next = window(POLLING.plan(&checkpoint, Polled::default(), now));
    assert_eq!(next.pass, Pass::CatchUp);
    assert!(next.from >= clock::minus(now, RETENTION) && next.from <= to);
}

#[test]
fn a_first_start_never_reads_what_was_before_it() {
    let start = at("12:00:00");
    let beginning = clock::minus(start, POLLING.overlap + Duration::from_secs(3));
    let mut checkpoint = POLLING.start(start);
    let (mut now, mut last) = (start, Polled::default());
    let mut passes = std::collections::BTreeMap::new();
    while clock::since(start, now) < 8 * DAY {
        match POLLING.plan(&checkpoint, last, now) {
            Plan::Read(window) => {
                assert!(window.from >= beginning, "{window:?}");
                *passes.entry(format!("{:?}", window.pass)).or_insert(0) += 1;
                checkpoint = POLLING.advance(&checkpoint, &window, now);
                match window.pass {
                    Pass::Hot => last = Polled { edge: last.edge, ..polled(now) },
                    Pass::Edge => last.edge = Some(now),
                    _ => {}
                }
            }
            Plan::Wait { until } => now = until,
            Plan::Gap { .. } => panic!("a gap in a source that is read all the time"),
        }
    }
    assert!(
        passes["Hot"] > 20_000
            && passes["Warm"] > 1000
            && passes["Cold"] > 25
            && passes["Deep"] >= 1
            && passes["Edge"] > 18,
        "{passes:?}"
    );
    assert_eq!(passes.get("CatchUp"), None);
}

#[test]
fn the_watermark_moves_only_forward_never_past_now_and_never_over_a_hole() {
    let base = at("12:00:00");
    let moment = |random: &mut fastrand::Rng| clock::plus(base, Duration::from_millis(random.u64(0..7_200_000)));
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let now = moment(&mut random);
        let checkpoint = settled(moment(&mut random));
        let (one, other) = (moment(&mut random), moment(&mut random));
        let pass = [Pass::Hot, Pass::CatchUp, Pass::Warm, Pass::Cold, Pass::Deep][random.usize(0..5)];
        let window = Window { from: one.min(other), to: one.max(other), pass };
        let advanced = POLLING.advance(&checkpoint, &window, now);
        assert!(advanced.watermark <= now.max(checkpoint.watermark));
        if checkpoint.watermark <= now {
            assert!(advanced.watermark >= checkpoint.watermark, "moved back");
            assert!(advanced.watermark <= now.max(checkpoint.watermark), "moved into the future");
            let hole = clock::since(checkpoint.watermark, window.from) > Duration::from_secs(6);
            assert!(!hole || advanced.watermark == checkpoint.watermark, "moved over a hole");
        } else {
            assert!(advanced.watermark <= now, "a watermark from the future comes back to the present");
        }
    }
}

#[test]
fn the_parts_of_a_split_window_move_the_watermark_one_after_the_other() {
    let now = at("12:00:00");
    let checkpoint = settled(at("11:58:00"));
    let part = |from: &str, to: &str| Window { from: at(from), to: at(to), pass: Pass::Hot };
    let mut advanced = checkpoint.clone();
    for window in [part("11:30:00", "11:58:29.999"), part("11:58:30", "11:58:30"), part("11:58:30.001", "12:00:00")] {
        advanced = POLLING.advance(&advanced, &window, now);
    }
    assert_eq!(advanced.watermark, at("11:59:55"));
}

#[test]
fn where_nothing_happens_it_is_asked_less_often_up_to_a_limit() {
    let adaptive = Polling { poll_quiet_every: Duration::from_secs(120), ..POLLING };
    let at = at("12:00:00");
    let pause = |polling: &Polling, quiet_seconds: u64| {
        let found = Some(clock::minus(at, Duration::from_secs(quiet_seconds)));
        clock::since(at, polling.due(Polled { at: Some(at), found, ..Polled::default() }, at)).as_secs()
    };
    for (quiet, expected) in [(0, 30), (60, 30), (300, 30), (600, 60), (900, 90), (1200, 120), (86_400, 120)] {
        assert_eq!(pause(&adaptive, quiet), expected, "quiet for {quiet} s");
        assert_eq!(pause(&POLLING, quiet), 30, "who asks for one interval gets it");
    }
    let seldom = Polling { poll_every: HOUR, poll_quiet_every: HOUR, ..POLLING };
    let checkpoint = settled(clock::minus(at, HOUR));
    let plan = seldom.plan(&checkpoint, polled(clock::minus(at, HOUR)), at);
    assert_eq!(window(plan).pass, Pass::Hot, "polled once an hour it is never behind");
}

#[test]
fn a_trace_that_appears_days_late_is_read_before_the_cloud_forgets_it() {
    let start = at("00:00:00");
    let polling = Polling { poll_every: Duration::from_secs(600), ..POLLING };
    // Recorded two weeks after the source began, at any time of the day, and shown after so many hours.
    for (hour, late) in (0..24).flat_map(|hour| [(hour, 0), (hour, 23), (hour, 120), (hour, 150), (hour, 166)]) {
        let recorded = clock::plus(start, 14 * DAY + hour * HOUR);
        let shown = clock::plus(recorded, late * HOUR);
        let (mut checkpoint, mut last, mut now) = (polling.start(start), Polled::default(), start);
        let found = loop {
            match polling.plan(&checkpoint, last, now) {
                Plan::Wait { until } => now = until,
                Plan::Gap { .. } => panic!("a gap in a source that is read all the time"),
                Plan::Read(window) => {
                    if now >= shown && window.from <= recorded && recorded <= window.to {
                        break now;
                    }
                    checkpoint = polling.advance(&checkpoint, &window, now);
                    match window.pass {
                        Pass::Hot => last = Polled { edge: last.edge, ..polled(now) },
                        Pass::Edge => last.edge = Some(now),
                        _ => {}
                    }
                }
            }
            assert!(clock::since(recorded, now) < RETENTION, "{late} h late, recorded at {hour} h: never read");
        };
        assert!(clock::since(shown, found) <= DAY, "{late} h late, recorded at {hour} h");
    }
}

#[test]
fn a_re_read_that_is_given_up_lets_the_others_go_first() {
    let now = at("12:00:00");
    let old = clock::minus(now, 2 * DAY);
    let checkpoint = Checkpoint { deep_at: old, ..settled(now) };
    let last = Polled { edge: Some(old), ..polled(now) };
    assert_eq!(window(POLLING.plan(&checkpoint, last, now)).pass, Pass::Deep);
    let until = at("12:10:00");
    let given_up = Polled { put_off: Some((Pass::Deep, until)), ..last };
    assert_eq!(window(POLLING.plan(&checkpoint, given_up, now)).pass, Pass::Edge);
    let quiet = Polled { edge: Some(now), ..given_up };
    assert_eq!(POLLING.plan(&checkpoint, quiet, now), Plan::Wait { until: at("12:00:30") });
    let later = Polled { at: Some(until), ..quiet };
    assert_eq!(window(POLLING.plan(&checkpoint, later, until)).pass, Pass::Warm);
}

#[test]
fn the_edge_moves_no_watermark_whatever_the_clocks_say() {
    let now = at("12:00:00");
    for watermark in [at("12:00:20"), at("11:59:00"), at("13:00:00")] {
        let checkpoint = settled(watermark);
        let edge = Window { from: clock::minus(now, RETENTION), to: clock::minus(now, 165 * HOUR), pass: Pass::Edge };
        assert_eq!(POLLING.advance(&checkpoint, &edge, now), checkpoint);
    }
}
