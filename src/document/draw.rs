//! Problems as people read them: the line, a caret under the exact place, a hint.

use super::{File, Problem};

/// All problems, drawn with their lines; `color` for terminals only.
pub fn draw(_problems: &[Problem], _files: &[File], _color: bool) -> String {
    unimplemented!()
}

/// One line: `tracebell.yaml:31:19: topics.security[1].endpoint: no endpoint `ops-slak` (did you mean `ops-slack`?)`.
pub fn line(_problem: &Problem, _files: &[File]) -> String {
    unimplemented!()
}
