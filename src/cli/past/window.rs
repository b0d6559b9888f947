//! Windows of the trace list, read to their end by somebody who can wait.

use std::{ops::ControlFlow, time::Duration};

use crate::{
    clock::{self, Timestamp},
    source::{Page, PageNext, Pass, Record, Source, SourceError, Walk, Window},
};

/// The trace list is read in windows of this length, so that no more than its traces are in memory.
pub const LENGTH: Duration = Duration::from_secs(3600);
/// No wait is longer, whatever the cloud asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// What reading a window brings.
pub enum Told<'a> {
    Page(Vec<Record>),
    /// A part of the window that the cloud cannot show.
    Gap {
        window: Window,
        reason: String,
    },
    /// The cloud is asked again after this.
    Waiting {
        wait: Duration,
        reason: &'a str,
    },
}

/// Reads one window, split as the source asks for it, until its end or until `each` has enough.
/// A page is asked for `attempts` times.
pub async fn read(
    source: &mut Source,
    window: Window,
    attempts: u32,
    each: &mut (dyn FnMut(Told<'_>) -> ControlFlow<()> + Send),
) -> Result<ControlFlow<()>, SourceError> {
    let mut windows = vec![window];
    while let Some(window) = windows.pop() {
        let mut walk = Walk::new(window);
        loop {
            let page = patiently(source, &mut walk, attempts, each).await?;
            if each(Told::Page(page.records)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            match page.next {
                PageNext::More => {}
                PageNext::Complete => break,
                PageNext::Split(parts) => {
                    windows.extend(parts.into_iter().rev());
                    break;
                }
                PageNext::Unreadable { window, reason } => {
                    if each(Told::Gap { window, reason }).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    break;
                }
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Asks again where that may help.
async fn patiently(
    source: &mut Source,
    walk: &mut Walk,
    attempts: u32,
    each: &mut (dyn FnMut(Told<'_>) -> ControlFlow<()> + Send),
) -> Result<Page, SourceError> {
    let mut attempt = 1;
    loop {
        match source.page(walk, clock::now()).await {
            Err(SourceError::Transient { retry_after, reason }) if attempt < attempts => {
                let own = Duration::from_secs(1 << attempt.min(7));
                let wait = own.max(retry_after.unwrap_or_default()).min(LONGEST_WAIT);
                // Nothing was read, so there is nothing to have enough of.
                let _ = each(Told::Waiting { wait, reason: &reason });
                clock::sleep(wait).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}

/// Windows one after the other; both ends of a window belong to it.
pub fn windows(from: Timestamp, to: Timestamp) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut at = from;
    while at <= to {
        let next = clock::plus(at, LENGTH);
        let last = clock::minus(next, Duration::from_millis(1)).min(to);
        windows.push(Window { from: at, to: last, pass: Pass::CatchUp });
        at = next;
    }
    windows
}
