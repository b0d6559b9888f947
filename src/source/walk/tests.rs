use super::{super::Pass, *};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_768_465_800_000 + ms).unwrap()
}

fn walk(from: i64, to: i64) -> Walk {
    Walk::new(Window { from: at(from), to: at(to), pass: Pass::Hot })
}

/// Records `ids`, one per millisecond, newest first.
fn page(ids: std::ops::Range<i64>, marker: Option<&str>) -> Seen {
    Seen {
        ids: ids.clone().map(|id| id.to_string()).collect(),
        times: ids.map(|id| (at(-id), at(-id))).collect(),
        marker: marker.map(str::to_owned),
    }
}

/// A full page in one millisecond.
fn crowd(ids: std::ops::Range<i64>, ms: i64, marker: &str) -> Seen {
    let times = ids.clone().map(|_| (at(ms), at(ms))).collect();
    Seen { ids: ids.map(|id| id.to_string()).collect(), times, marker: Some(marker.to_owned()) }
}

#[test]
fn a_walk_ends_without_marker_or_records() {
    assert_eq!(walk(0, 10).turn(&page(0..200, None)), Ok(PageNext::Complete));
    assert_eq!(walk(0, 10).turn(&page(0..0, Some("m"))), Ok(PageNext::Complete));
    assert_eq!(walk(0, 10).turn(&page(0..0, None)), Ok(PageNext::Complete));
}

#[test]
fn a_short_last_page_with_a_marker_is_asked_about_once() {
    let mut walk = walk(0, 10);
    assert_eq!(walk.turn(&page(0..200, Some("199"))), Ok(PageNext::More));
    assert_eq!(walk.turn(&page(200..230, Some("229"))), Ok(PageNext::More));
    assert_eq!(walk.marker.as_deref(), Some("229"));
    // The cloud either answers nothing, or the marker's own record again.
    assert_eq!(walk.clone().turn(&page(0..0, Some("x"))), Ok(PageNext::Complete));
    assert_eq!(walk.turn(&page(229..230, Some("229"))), Ok(PageNext::Complete));
}

#[test]
fn a_cloud_that_gives_shorter_pages_than_asked_for_is_read_to_its_end() {
    let mut walk = walk(0, 10);
    for n in 0..20 {
        assert_eq!(walk.turn(&page(n * 50..n * 50 + 50, Some(&n.to_string()))), Ok(PageNext::More), "page {n}");
    }
    assert_eq!(walk.turn(&page(1000..1010, None)), Ok(PageNext::Complete));
}

#[test]
fn markers_that_lead_back_are_an_error_and_the_walk_stays() {
    let mut one = walk(0, 10);
    assert_eq!(one.turn(&page(0..200, Some("a"))), Ok(PageNext::More));
    for _ in 0..5 {
        assert!(one.turn(&page(0..200, Some("a"))).unwrap_err().contains("marker loop"));
        assert_eq!(one.marker.as_deref(), Some("a"));
    }
    assert_eq!(one.turn(&page(200..300, None)), Ok(PageNext::Complete), "a cloud that recovers is read on");

    let mut two = walk(0, 10);
    assert_eq!(two.turn(&page(0..200, Some("a"))), Ok(PageNext::More));
    assert_eq!(two.turn(&page(200..400, Some("b"))), Ok(PageNext::More));
    assert!(two.turn(&page(0..200, Some("a"))).unwrap_err().contains("marker loop"));
}

#[test]
fn new_records_under_a_used_marker_are_handed_on_before_the_walk_fails() {
    let mut walk = walk(0, 10);
    assert_eq!(walk.turn(&page(0..200, Some("a"))), Ok(PageNext::More));
    assert_eq!(walk.turn(&page(200..400, Some("a"))), Ok(PageNext::More));
    assert!(walk.turn(&page(200..400, Some("a"))).is_err());
}

#[test]
fn pages_without_anything_new_end_even_if_every_marker_is_new() {
    let mut walk = walk(0, 10);
    let mut turns = 0;
    while walk.turn(&page(0..200, Some(&turns.to_string()))).is_ok() {
        turns += 1;
        assert!(turns < 10, "spins");
    }
    assert!(turns <= 3, "{turns}");
}

#[test]
fn an_endless_list_ends_at_the_cap_and_holds_little() {
    let mut endless = walk(0, 10);
    let mut turns = 0_i64;
    let error = loop {
        match endless.turn(&page(turns * 2..turns * 2 + 2, Some(&turns.to_string()))) {
            Ok(_) => turns += 1,
            Err(error) => break error,
        }
        assert!(endless.recent.len() <= REMEMBERED && endless.sent.len() <= PAGE_CAP as usize);
    };
    assert!(error.contains("10000 pages") && turns < 10_000, "{error} {turns}");
    assert_eq!(endless.marker, None, "the next attempt starts over");

    let mut long = walk(0, 24 * HOUR_MS);
    let parts = (0..).find_map(|n: i64| match long.turn(&page(n * 2..n * 2 + 2, Some(&n.to_string()))) {
        Ok(PageNext::Split(parts)) => Some(parts),
        other => other.map(|_| None).unwrap(),
    });
    assert_eq!(parts.unwrap().len(), 2);
}

#[test]
fn many_traces_in_one_millisecond_are_fine_while_the_marker_moves() {
    let mut walk = walk(0, 10);
    for n in 0..10 {
        assert_eq!(walk.turn(&crowd(n * 200..n * 200 + 200, 5, &n.to_string())), Ok(PageNext::More));
    }
    assert_eq!(walk.turn(&page(2000..2001, None)), Ok(PageNext::Complete));
}

#[test]
fn a_crowded_millisecond_without_progress_is_split_off_and_then_told() {
    let mut whole = walk(0, 10);
    assert_eq!(whole.turn(&crowd(0..200, 5, "m")), Ok(PageNext::More));
    let Ok(PageNext::Split(parts)) = whole.turn(&crowd(0..200, 5, "m")) else { panic!("not split") };
    let bounds: Vec<_> = parts.iter().map(|part| (part.from, part.to)).collect();
    assert_eq!(bounds, [(at(0), at(4)), (at(5), at(5)), (at(6), at(10))]);

    let mut single = Walk::new(parts[1].clone());
    assert_eq!(single.turn(&crowd(0..200, 5, "m")), Ok(PageNext::More));
    assert!(matches!(single.turn(&crowd(0..200, 5, "m")), Ok(PageNext::Unreadable { .. })));

    // Records from outside the window: the list goes by another clock. Halves always end.
    let mut windows = vec![walk(0, 1000).window];
    for turns in 0.. {
        assert!(turns < 5000, "splits for ever");
        let Some(window) = windows.pop() else { break };
        let mut part = Walk::new(window);
        assert_eq!(part.turn(&crowd(0..200, 99_999, "m")), Ok(PageNext::More));
        if let Ok(PageNext::Split(parts)) = part.turn(&crowd(0..200, 99_999, "m")) {
            windows.extend(parts);
        }
    }
}
