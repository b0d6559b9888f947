//! Sigma's condition expressions: `selection and not 1 of filter_*`, and the old `| count() by x > 5`.

use super::term::Term;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Name(String),
    /// `1 of x*`, `all of them`; `them` is the pattern `*`.
    Of {
        all: bool,
        pattern: String,
    },
}

/// `| count(of) by fields >= at_least`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregation {
    pub of: Option<String>,
    pub by: Vec<String>,
    pub at_least: u64,
}

/// Reads a condition; the error says what was found and what was expected.
pub fn parse(text: &str) -> Result<(Expression, Option<Aggregation>), String> {
    let (expression, tail) = match text.split_once('|') {
        Some((expression, tail)) => (expression, Some(tail)),
        None => (text, None),
    };
    let tokens = tokens(expression);
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0 };
    let expression = reader.or()?;
    if let Some(token) = reader.peek() {
        return Err(format!("the condition goes on with `{token}`, expected `and`, `or` or its end"));
    }
    Ok((expression, tail.map(aggregation).transpose()?))
}

/// Deepest nesting of parentheses; people stay under five.
const DEPTH_LIMIT: usize = 32;

struct Reader<'a> {
    tokens: &'a [String],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.and()?];
        while self.take("or") {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.unary()?];
        while self.take("and") {
            parts.push(self.unary()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(format!("the condition is nested more than {DEPTH_LIMIT} deep"));
        }
        let found =
            if self.take("not") { self.unary().map(|inner| Expression::Not(Box::new(inner))) } else { self.primary() };
        self.depth -= 1;
        found
    }

    fn primary(&mut self) -> Result<Expression, String> {
        if self.take("(") {
            let inner = self.or()?;
            return if self.take(")") { Ok(inner) } else { Err("a parenthesis of the condition is not closed".into()) };
        }
        let Some(word) = self.peek() else { return Err("the condition ends where a selection was expected".into()) };
        self.at += 1;
        if self.take("of") {
            let all = match word.to_ascii_lowercase().as_str() {
                "all" => true,
                "1" | "any" => false,
                _ => return Err(format!("`{word} of` is not carried over, only `1 of`, `any of` and `all of`")),
            };
            let Some(pattern) = self.peek() else { return Err("`of` without a selection behind it".into()) };
            self.at += 1;
            let pattern = if pattern.eq_ignore_ascii_case("them") { "*" } else { pattern };
            return Ok(Expression::Of { all, pattern: pattern.to_owned() });
        }
        if [")", "and", "or", "of"].iter().any(|taken| word.eq_ignore_ascii_case(taken)) {
            return Err(format!("the condition has `{word}` where a selection was expected"));
        }
        Ok(Expression::Name(word.to_owned()))
    }
}

fn tokens(text: &str) -> Vec<String> {
    text.replace('(', " ( ").replace(')', " ) ").split_whitespace().map(str::to_owned).collect()
}

fn aggregation(text: &str) -> Result<Aggregation, String> {
    let refused = || format!("the aggregation `{}` is not carried over, only `count() by x > n`", text.trim());
    let rest = text.trim().strip_prefix("count").ok_or_else(refused)?;
    let (of, rest) = rest.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or_else(refused)?;
    let sign = rest.find(['<', '>', '=']).ok_or_else(refused)?;
    let (by, bound) = rest.split_at(sign);
    let by = match by.trim() {
        "" => Vec::new(),
        by => {
            let by = by.strip_prefix("by").filter(|rest| rest.starts_with(' ')).ok_or_else(refused)?;
            by.split(',').map(|field| field.trim().to_owned()).collect()
        }
    };
    let (more, number) = match bound.strip_prefix(">=") {
        Some(number) => (0, number),
        None => (1, bound.strip_prefix('>').ok_or_else(refused)?),
    };
    let number: u64 = number.trim().parse().map_err(|_| refused())?;
    let of = Some(of.trim().to_owned()).filter(|of| !of.is_empty());
    Ok(Aggregation { of, by, at_least: number.saturating_add(more).max(1) })
}

impl Expression {
    /// Every selection this names, put in its place. `read` gets the name and whether it stands below a `not`.
    pub fn resolve(
        &self,
        names: &[String],
        negated: bool,
        read: &mut dyn FnMut(&str, bool) -> Term,
    ) -> Result<Term, String> {
        Ok(match self {
            Self::And(parts) => {
                let parts: Result<Vec<_>, _> = parts.iter().map(|part| part.resolve(names, negated, read)).collect();
                Term::all(parts?)
            }
            Self::Or(parts) => {
                let parts: Result<Vec<_>, _> = parts.iter().map(|part| part.resolve(names, negated, read)).collect();
                Term::any(parts?)
            }
            Self::Not(inner) => inner.resolve(names, !negated, read)?.not(),
            Self::Name(name) => {
                if !names.contains(name) {
                    return Err(format!("the condition names `{name}`, which is not a selection of the rule"));
                }
                read(name, negated)
            }
            Self::Of { all, pattern } => {
                let (head, tail) = pattern.split_once('*').unwrap_or((pattern, ""));
                let exact = !pattern.contains('*');
                let named = names.iter().filter(|name| {
                    // `them` leaves out what begins with an underscore.
                    let hidden = pattern == "*" && name.starts_with('_');
                    let fits = name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail);
                    if exact { *name == pattern } else { fits && !hidden }
                });
                let parts: Vec<Term> = named.map(|name| read(name, negated)).collect();
                if parts.is_empty() {
                    return Err(format!("the condition names `{pattern}`, and no selection is called so"));
                }
                if *all { Term::all(parts) } else { Term::any(parts) }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(expression: &Expression) -> String {
        let join = |parts: &[Expression], with: &str| parts.iter().map(outline).collect::<Vec<_>>().join(with);
        match expression {
            Expression::And(parts) => format!("({})", join(parts, " & ")),
            Expression::Or(parts) => format!("({})", join(parts, " | ")),
            Expression::Not(inner) => format!("!{}", outline(inner)),
            Expression::Name(name) => name.clone(),
            Expression::Of { all, pattern } => format!("{}<{pattern}>", if *all { "all" } else { "one" }),
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = match parse(text) {
            Ok((expression, None)) => outline(&expression),
            Ok((expression, Some(Aggregation { of, by, at_least }))) => {
                format!("{} count {} by {} >= {at_least}", outline(&expression), of.unwrap_or_default(), by.join(","))
            }
            Err(error) => error,
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn conditions_bind_as_sigma_says() {
        check("a", "a");
        check("a or b and not c", "(a | (b & !c))");
        check("(a or b) AND NOT (c)", "((a | b) & !c)");
        check("not not a", "!!a");
        check("1 of sel* and not all of filter_*", "(one<sel*> & !all<filter_*>)");
        check("all of them or any of x", "(all<*> | one<x>)");
        check("a | count() by x, y > 4", "a count  by x,y >= 5");
        check("a | count(z) by x >= 4", "a count z by x >= 4");
        check("a|count() > 1", "a count  by  >= 2");
    }

    #[test]
    fn mistakes_are_named() {
        check("a and", "the condition ends where a selection was expected");
        check("(a or b", "a parenthesis of the condition is not closed");
        check("a b", "the condition goes on with `b`, expected `and`, `or` or its end");
        check("2 of a*", "`2 of` is not carried over, only `1 of`, `any of` and `all of`");
        check("and a", "the condition has `and` where a selection was expected");
        check("a | near b", "the aggregation `near b` is not carried over, only `count() by x > n`");
        check("a | count() < 3", "the aggregation `count() < 3` is not carried over, only `count() by x > n`");
        assert!(parse(&"(".repeat(5_000)).is_err() && parse(&"not ".repeat(5_000)).is_err());
    }
}
