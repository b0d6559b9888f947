//! Problems as people read them: the line, a caret under the exact place, a hint.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level as Tone, Renderer, Snippet, normalize_untrusted_str};

use super::{Code, File, Level, Problem, Span};

/// Longest line drawn whole; of longer ones only the place is named.
const LINE_LIMIT: usize = 2_000;

/// All problems, drawn with their lines; `color` for terminals only.
pub fn draw(problems: &[Problem], files: &[File], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let drawn: Vec<String> = problems
        .iter()
        .map(|problem| {
            let tone = match problem.level {
                Level::Error => Tone::ERROR,
                Level::Warning => Tone::WARNING,
            };
            let title = match problem.path.as_str() {
                "" => problem.text.clone(),
                path => format!("{path}: {}", problem.text),
            };
            let title = tone.primary_title(normalize_untrusted_str(&title));
            // Only a warning's code is worth knowing: the file may answer it.
            let named = problem.level == Level::Warning && problem.code != Code::default();
            let mut group = Group::with_title(if named { title.id(problem.code.0) } else { title });
            match file_of(problem, files).and_then(|file| Excerpt::of(problem, file)) {
                Some(excerpt) => {
                    let marked = AnnotationKind::Primary.span(excerpt.marked);
                    let snippet = Snippet::source(excerpt.text).line_start(excerpt.line).path(problem.file.clone());
                    let label = problem.also.as_ref().map(|(_, label)| normalize_untrusted_str(label));
                    let also = excerpt.also.map(|also| AnnotationKind::Context.span(also).label(label));
                    group = group.element(snippet.annotation(marked).annotations(also));
                }
                None => group = group.element(annotate_snippets::Origin::path(place(problem, files))),
            }
            if let Some(hint) = &problem.hint {
                group = group.element(Tone::HELP.message(normalize_untrusted_str(hint)));
            }
            renderer.render(&[group])
        })
        .collect();
    drawn.join("\n\n")
}

/// One line: `tracebell.yaml:31:19: topics.security[1].endpoint: no endpoint `ops-slak` (did you mean `ops-slack`?)`.
pub fn line(problem: &Problem, files: &[File]) -> String {
    let mut line = format!("{}: ", place(problem, files));
    if !problem.path.is_empty() {
        line += &format!("{}: ", problem.path);
    }
    line += &problem.text;
    if let Some(hint) = &problem.hint {
        line += &format!(" ({hint})");
    }
    line.replace(|c: char| c.is_control(), " ")
}

fn file_of<'a>(problem: &Problem, files: &'a [File]) -> Option<&'a File> {
    files.iter().find(|file| file.name == problem.file)
}

/// `file:line:column`, or the file alone if its text is not at hand.
fn place(problem: &Problem, files: &[File]) -> String {
    match file_of(problem, files) {
        Some(file) => {
            let (line, column) = problem.place(file);
            format!("{}:{line}:{column}", problem.file)
        }
        None => problem.file.clone(),
    }
}

/// The line of the span, and of the second place if there is one; what is between is folded.
struct Excerpt {
    text: String,
    line: usize,
    marked: Range<usize>,
    also: Option<Range<usize>>,
}

impl Excerpt {
    fn of(problem: &Problem, file: &File) -> Option<Self> {
        let text = &file.text;
        let main = lines(text, problem.span)?;
        let also = problem.also.as_ref().and_then(|(span, _)| Some((span, lines(text, *span)?)));
        let first = also.as_ref().map_or(main.start, |(_, other)| main.start.min(other.start));
        let last = also.as_ref().map_or(main.end, |(_, other)| main.end.max(other.end));
        let excerpt = text[first..last].trim_end_matches('\r');
        let (line, _) = file.position(first);
        // A span over several lines is underlined on its first one: that is where to look.
        let bound = |span: Span, line: &Range<usize>| {
            let start = text.floor_char_boundary(span.start.min(text.len()));
            let end = text.floor_char_boundary(span.end.clamp(start, line.end.max(start)));
            (start - first).min(excerpt.len())..(end - first).min(excerpt.len())
        };
        let marked = bound(problem.span, &main);
        let also = also.map(|(span, line)| bound(*span, &line));
        Some(Self { marked, also, line, text: excerpt.to_owned() })
    }
}

/// The line on which a span begins; `None` if it is too long to draw.
fn lines(text: &str, span: Span) -> Option<Range<usize>> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let first = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let last = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    (last - first <= LINE_LIMIT && !text.is_empty()).then_some(first..last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{parse, walk::*};

    fn problem(file: &File, at: &str, text: &str, hint: Option<&str>) -> Problem {
        let start = file.text.find(at).expect("in the text");
        let span = Span { start, end: start + at.len() };
        let (text, hint) = (text.to_owned(), hint.map(str::to_owned));
        Problem {
            level: Level::Error,
            file: file.name.clone(),
            span,
            path: "a.b".into(),
            text,
            hint,
            ..Problem::default()
        }
    }

    #[test]
    fn a_problem_is_drawn_under_its_place() {
        let file = File { name: "x.yaml".into(), text: "a:\n  größe: { b: ops-slak }\nc: 1\n".into() };
        let problem = problem(&file, "ops-slak", "no endpoint `ops-slak`", Some("did you mean `ops-slack`?"));
        let files = [file];
        assert_eq!(line(&problem, &files), "x.yaml:2:15: a.b: no endpoint `ops-slak` (did you mean `ops-slack`?)");
        let drawn = draw(std::slice::from_ref(&problem), &files, false);
        let expected = "error: a.b: no endpoint `ops-slak`
 --> x.yaml:2:15
  |
2 |   größe: { b: ops-slak }
  |               ^^^^^^^^
  |
  = help: did you mean `ops-slack`?";
        assert_eq!(drawn, expected);
        assert!(draw(&[problem], &files, true).contains("\u{1b}["));
    }

    #[test]
    fn places_outside_the_text_do_not_panic() {
        let file = File { name: "x.yaml".into(), text: "ä\n".into() };
        for (start, end) in [(0, 0), (1, 1), (1, 2), (3, 3), (9, 4), (3, 99)] {
            let span = Span { start, end };
            let problem = Problem { span, ..problem(&file, "ä", "t", None) };
            assert!(draw(std::slice::from_ref(&problem), std::slice::from_ref(&file), false).contains("x.yaml"));
            assert!(line(&problem, std::slice::from_ref(&file)).starts_with("x.yaml:"));
            assert_eq!(line(&problem, &[]), "x.yaml: a.b: t");
        }
    }

    #[test]
    fn a_walk_reports_everything_at_once() {
        let text = "nmae: x\nenabled: yes\npoll_every: 5\nretries: 014\nlist: {}\nkind: emial\n";
        let file = File { name: "x.yaml".into(), text: text.into() };
        let tree = parse(&file).expect("valid");
        let problems = Problems::default();
        let mut fields = Walk::new(&file, &tree, &problems).fields().expect("a map");
        assert_eq!(fields.required_text("name"), None);
        assert_eq!(fields.optional_bool("enabled"), None);
        assert_eq!(fields.optional_duration("poll_every"), None);
        assert_eq!(fields.optional_whole("retries", 0, 9), None);
        assert!(fields.list("list").is_empty());
        assert_eq!(fields.optional("kind").and_then(|kind| kind.one_of(&[("email", 1), ("slack", 2)])), None);
        fields.finish();
        assert!(problems.has_errors());
        let lines: Vec<String> = problems.into_vec().iter().map(|p| line(p, std::slice::from_ref(&file))).collect();
        let expected = [
            "x.yaml:1:1: the key `name` is missing",
            "x.yaml:2:10: enabled: expected `true` or `false`, found `yes` (write `true`)",
            "x.yaml:3:13: poll_every: expected a duration, found the number 5 without a unit \
             (write a number and a unit: `30s`, `5m`, `1h30m`, `7d`)",
            "x.yaml:4:10: retries: expected a whole number, found `014`",
            "x.yaml:5:7: list: expected a list, found a map",
            "x.yaml:6:7: kind: expected `email` or `slack`, found `emial` (did you mean `email`?)",
            "x.yaml:1:1: unknown key `nmae` (did you mean `name`?)",
        ];
        assert_eq!(lines, expected);
    }
}
