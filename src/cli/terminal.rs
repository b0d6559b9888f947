//! Results on standard output: as wide as the terminal is, and never a panic.

use std::{fmt, io, io::Write as _};

use super::{OUTSIDE, escape};
use crate::endpoint::answer::in_words;

/// Prints one line of a result. A reader that has gone away ends nothing; a result that cannot be
/// written is no result.
pub fn print_line(line: fmt::Arguments<'_>) {
    print(&format!("{line}\n"));
}

/// Prints a result as [`print_line`] does, without a line's end.
pub fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    finish(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints a value as [`json`] writes it.
pub fn print_json(value: &impl serde::Serialize) {
    print_exactly(&json(value));
}

/// A value as programs read it, with its line's end; a terminal obeys nothing in it.
pub fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("a value made of JSON can be written as JSON");
    format!("{}\n", escape::json(&text))
}

/// Prints a result for programs: the same bytes for a pipe, a file and a terminal.
pub fn print_exactly(text: &str) {
    let mut out = io::stdout().lock();
    finish(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn finish(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            anstream::eprintln!("error: cannot write to standard output: {}", in_words(&error.to_string()));
            std::process::exit(i32::from(OUTSIDE));
        }
        _ => {}
    }
}

/// Columns of the terminal on standard output; `None` if it goes elsewhere.
pub fn columns() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Breaks a line at blanks; a word that is longer than the line is cut.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut length) = (vec![String::new()], 0);
    for (index, word) in text.split(' ').enumerate() {
        let letters: Vec<char> = word.chars().collect();
        if index > 0 && length + 1 + letters.len() <= width {
            lines.last_mut().expect("there is always a last line").push(' ');
            length += 1;
        } else if length > 0 {
            lines.push(String::new());
            length = 0;
        }
        for letter in letters {
            if length == width {
                lines.push(String::new());
                length = 0;
            }
            lines.last_mut().expect("there is always a last line").push(letter);
            length += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_stay_where_they_are() {
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("  - a", 10), ["  - a"]);
    }
}
