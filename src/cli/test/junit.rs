//! The verdicts as JUnit XML, which build servers show.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{Row, Verdicts};

pub fn text(verdicts: &Verdicts) -> Result<String, SerializeError> {
    let mut report = Report::new("tracebell test");
    for rows in verdicts.rows.chunk_by(|a, b| a.file == b.file) {
        let mut suite = TestSuite::new(rows[0].file.as_str());
        suite.add_test_cases(rows.iter().map(case));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn case(row: &Row) -> TestCase {
    let status = match &row.failure {
        None => TestCaseStatus::success(),
        Some(failure) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!("{}:{}: {failure}", row.file, row.line));
            status
        }
    };
    let mut case = TestCase::new(format!("{}: {} {} (line {})", row.rule, row.kind(), row.name, row.line), status);
    case.set_classname(row.rule.as_str());
    case.extra.insert("file".into(), row.file.as_str().into());
    case.extra.insert("line".into(), row.line.to_string().into());
    case
}
