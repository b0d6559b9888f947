//! What the operations of other clouds are called here, read from one table.

use std::{collections::BTreeSet, sync::LazyLock};

use super::{
    term::{Notes, Pair, Term},
    values::Pattern,
};
use crate::catalog;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    Aws,
    Azure,
    Gcp,
}

struct Row {
    cloud: Cloud,
    name: &'static str,
    pairs: Vec<Pair>,
    caveat: Option<&'static str>,
}

/// `aws | iam | CreateUser | IAM:createUser`, and a caveat where it is not quite the same.
const TABLE: &str = include_str!("operations.txt");

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let mut columns = line.split(" | ");
        let cloud = match columns.next()? {
            "aws" => Cloud::Aws,
            "azure" => Cloud::Azure,
            _ => Cloud::Gcp,
        };
        let name = columns.nth(1)?;
        let pairs = columns.next()?.split(' ').filter_map(|pair| pair.split_once(':')).collect();
        Some(Row { cloud, name, pairs, caveat: columns.next() })
    };
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(row).collect()
});

/// Which services of the catalogue an AWS event source stands for.
const SOURCES: &[(&str, &[&str])] = &[
    ("cloudtrail", &["CTS"]),
    ("iam", &["IAM"]),
    ("signin", &["IAM"]),
    ("sts", &["IAM"]),
    ("kms", &["KMS"]),
    ("secretsmanager", &["KMS"]),
    ("s3", &["OBS"]),
    ("ec2", &["ECS", "VPC", "EVS", "IMS"]),
    ("rds", &["RDS"]),
    ("sns", &["SMN"]),
    ("eks", &["CCE"]),
    ("ecr", &["SWR"]),
    ("lambda", &["FunctionGraph"]),
    ("elasticloadbalancing", &["ELB"]),
    ("route53", &["DNS"]),
    ("autoscaling", &["AS"]),
    ("monitoring", &["CES"]),
    ("redshift", &["DWS"]),
    ("elasticache", &["DCS"]),
    ("cloudformation", &["RTS"]),
    ("backup", &["CBR"]),
    ("waf", &["WAF"]),
    ("wafv2", &["WAF"]),
    ("sagemaker", &["ModelArts"]),
];

/// Where GCP's names carry the version of the API, in front.
const VERSIONS: [&str; 3] = ["", "v1.", "beta."];

/// The operations here that fit every one of `groups`, of each by one of its patterns.
pub fn operations(cloud: Cloud, groups: &[Vec<&Pattern>], line: usize, notes: &mut Notes) -> Term {
    let fits = |pattern: &Pattern, row: &Row| {
        let versions: &[&str] = if cloud == Cloud::Gcp { &VERSIONS } else { &[""] };
        versions.iter().any(|version| pattern.matches(&format!("{version}{}", row.name)))
    };
    let ours = || ROWS.iter().filter(|row| row.cloud == cloud);
    let rows: Vec<&Row> =
        ours().filter(|row| groups.iter().all(|group| group.iter().any(|pattern| fits(pattern, row)))).collect();
    for pattern in groups.iter().flatten() {
        if !ours().any(|row| fits(pattern, row)) {
            notes.lost(format!("line {line}: the operation `{}` has no counterpart", pattern.shown()));
        }
    }
    if rows.is_empty() {
        let shown: Vec<String> = groups.iter().flatten().map(|pattern| pattern.shown()).collect();
        if groups.len() > 1 {
            notes.lost(format!("line {line}: no known operation fits `{}`", shown.join("` and `")));
        }
        return Term::never();
    }
    for row in &rows {
        if let Some(caveat) = row.caveat {
            let found: Vec<&str> = row.pairs.iter().map(|(_, operation)| *operation).collect();
            notes.guess(format!("line {line}: `{}` as `{}`: {caveat}", row.name, found.join("`, `")));
        }
    }
    let pairs: BTreeSet<Pair> = rows.iter().flat_map(|row| row.pairs.iter().copied()).collect();
    let exact = |pattern: &&Pattern| pattern.literal().is_some() || cloud == Cloud::Gcp && pattern.names_one_method();
    let open: Vec<String> = groups.iter().flatten().filter(|p| !exact(p)).map(|pattern| pattern.shown()).collect();
    if !open.is_empty() {
        let text = format!("line {line}: the pattern `{}` as the operations known to fit it", open.join("`, `"));
        notes.guess(text);
    }
    Term::Operations(pairs)
}

/// The services that an event source stands for: `kms.amazonaws.com`, `storage.googleapis.com`.
pub fn services(cloud: Cloud, patterns: &[&Pattern], line: usize, notes: &mut Notes) -> Term {
    let mut found: BTreeSet<&'static str> = BTreeSet::new();
    for pattern in patterns {
        let before = found.len();
        match cloud {
            Cloud::Aws => {
                let fits = |name: &str| pattern.matches(&format!("{name}.amazonaws.com")) || pattern.matches(name);
                found.extend(SOURCES.iter().filter(|(name, _)| fits(name)).flat_map(|(_, services)| services.iter()));
            }
            Cloud::Azure => {
                let directory = pattern.matches("AzureActiveDirectory");
                found.extend(directory.then_some("IAM"));
            }
            Cloud::Gcp => {
                for line in TABLE.lines().filter(|line| line.starts_with("gcp")) {
                    let mut columns = line.split(" | ");
                    let (name, pairs) = (columns.nth(1).unwrap_or_default(), columns.nth(1).unwrap_or_default());
                    if pattern.matches(&format!("{name}.googleapis.com")) {
                        found.extend(
                            pairs.split(' ').filter_map(|pair| pair.split_once(':')).map(|(service, _)| service),
                        );
                    }
                }
            }
        }
        if found.len() == before {
            notes.lost(format!("line {line}: the service `{}` has no counterpart", pattern.shown()));
        }
    }
    if found.is_empty() { Term::never() } else { Term::Services(found) }
}

/// Every name a login is recorded under.
pub fn logins() -> Term {
    let row = ROWS.iter().find(|row| row.name == "ConsoleLogin");
    Term::Operations(row.map(|row| row.pairs.iter().copied().collect()).unwrap_or_default())
}

/// The catalogue's own spelling of a pair, if it lists it.
pub fn known(service: &str, operation: &str) -> Option<Pair> {
    let entries = catalog::entries().filter(|entry| entry.service.eq_ignore_ascii_case(service));
    let mut pairs = entries.flat_map(|entry| entry.operations().map(move |operation| (entry.service, operation)));
    pairs.find(|(_, name)| name.eq_ignore_ascii_case(operation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counterpart_is_in_the_catalogue() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(ROWS.len(), lines, "a line of the table was not read");
        for row in ROWS.iter() {
            assert!(!row.pairs.is_empty(), "{}", row.name);
            for (service, operation) in &row.pairs {
                assert!(catalog::is_operation(service, operation), "{}: {service}:{operation}", row.name);
            }
        }
        for (source, services) in SOURCES {
            assert!(services.iter().all(|service| catalog::is_service(service)), "{source}");
        }
    }
}
