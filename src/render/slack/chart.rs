//! A chart in one line of text, for places that show no pictures.

use crate::render::facts::chart::Chart;

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `07:00 ▁·▃█ 18:00, at most 14 each`
pub fn line(chart: &Chart) -> String {
    let drawn: String = chart.columns.iter().map(|column| letter(column.percent)).collect();
    format!("{} {drawn} {}, at most {} each", chart.from, chart.to, chart.most)
}

/// Nothing at all must differ from little.
fn letter(percent: u64) -> char {
    let last = STEPS.len() - 1;
    if percent == 0 { '·' } else { STEPS[usize::try_from(percent * 8 / 100).unwrap_or(last).min(last)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alert::Severity, render::facts::chart::Column};

    #[test]
    fn counts_over_time_in_one_line() {
        let column = |percent| Column { count: percent, percent, worst: Severity::Low };
        let columns = [1, 0, 50, 99, 100].map(column).to_vec();
        let chart = Chart { columns, most: 100, from: "07:00".into(), to: "12:00".into() };
        assert_eq!(line(&chart), "07:00 ▁·▅██ 12:00, at most 100 each");
    }
}
