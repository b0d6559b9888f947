//! Records in the manner of the emulator's scenario: 25 services, 150 operations, few of
//! them common, 1.5 KB of nested JSON each. The keys stand in a new order in each record.

use fastrand::Rng;

pub const SERVICES: [&str; 25] = [
    "IAM", "ECS", "EVS", "VPC", "OBS", "KMS", "RDS", "CCE", "ELB", "DNS", "IMS", "AS", "CBR", "SMN", "CES", "DCS",
    "DDS", "DMS", "SWR", "WAF", "DWS", "MRS", "CSS", "TMS", "SFS",
];
pub const VERBS: [&str; 6] = ["create", "update", "delete", "start", "modify", "attach"];
pub const THINGS: [&str; 25] = [
    "Credential",
    "Server",
    "Volume",
    "SecurityGroup",
    "Bucket",
    "Key",
    "Instance",
    "Cluster",
    "Listener",
    "RecordSet",
    "Image",
    "ScalingGroup",
    "Vault",
    "Topic",
    "AlarmRule",
    "RedisInstance",
    "MongoInstance",
    "Queue",
    "Repository",
    "Policy",
    "Warehouse",
    "JobFlow",
    "SearchIndex",
    "PredefinedTag",
    "FileShare",
];
pub const RATINGS: [&str; 3] = ["normal", "warning", "incident"];
pub const TEAMS: [&str; 8] = ["shop", "search", "billing", "platform", "data", "mobile", "support", "partner"];
pub const ROLES: [&str; 6] = ["admin", "deploy", "reader", "backup", "audit", "runner"];
pub const FLAVORS: [&str; 6] =
    ["s3.large.2", "s3.xlarge.4", "c4.2xlarge.2", "m4.large.8", "p2s.4xlarge.8", "d2.xlarge.8"];

/// What one of the 150 kinds of traces is about; few kinds make most of the traffic.
pub fn kind(rng: &mut Rng) -> (usize, usize) {
    ranked((rng.f64().powi(3) * 150.0) as usize)
}

/// The service and verb of a kind, the commonest first; neighbours are of different services.
pub fn ranked(rank: usize) -> (usize, usize) {
    (rank * 7 % 25, rank / 25 % 6)
}

pub fn operation(service: usize, verb: usize) -> String {
    format!("{}{}", VERBS[verb], THINGS[service])
}

pub fn user(rng: &mut Rng) -> String {
    format!("{}-{}-{:02}", rng.choice(TEAMS).unwrap_or("x"), rng.choice(ROLES).unwrap_or("x"), rng.u8(..40))
}

pub fn make(rng: &mut Rng) -> String {
    let (service, verb) = kind(rng);
    let failed = rng.u8(..100) < 6;
    let rating = if failed { RATINGS[1 + usize::from(rng.u8(..6) == 0)] } else { RATINGS[0] };
    let code = if failed { rng.choice([400, 403, 404, 409, 500]).unwrap_or(400) } else { 200 };
    let time = 1_770_000_000_000_u64 + rng.u64(..600_000_000);
    let (user, id) = (user(rng), format!("{:032x}", rng.u128(..)));
    let text = |text: &str| format!("\"{text}\"");
    let domain = object(vec![("name", text("OTC00000000001000000001")), ("id", text(&hex(rng)))], rng);
    let user = vec![("name", text(&user)), ("id", text(&id)), ("domain", domain)];
    let user = object(user, rng);
    let tags =
        (0..3).map(|_| text(&format!("{}={}", rng.choice(TEAMS).unwrap_or("x"), rng.u16(..)))).collect::<Vec<_>>();
    let nic = object(
        vec![
            ("subnet_id", text(&hex(rng))),
            ("ip_address", text(&format!("10.0.{}.{}", rng.u8(..), rng.u8(..)))),
            ("port_security", "true".into()),
        ],
        rng,
    );
    let request = vec![
        ("flavor", text(rng.choice(FLAVORS).unwrap_or("x"))),
        ("name", text(&format!("{}-{:03}", rng.choice(TEAMS).unwrap_or("x"), rng.u16(..1000)))),
        ("count", rng.u8(1..9).to_string()),
        ("availability_zone", text(rng.choice(["eu-de-01", "eu-de-02", "eu-de-03"]).unwrap_or("x"))),
        ("nics", format!("[{nic}]")),
        ("tags", format!("[{}]", tags.join(","))),
        (
            "metadata",
            object(
                vec![
                    ("owner", text(rng.choice(TEAMS).unwrap_or("x"))),
                    ("ticket", text(&format!("OPS-{}", rng.u16(..)))),
                    ("managed", "false".into()),
                ],
                rng,
            ),
        ),
    ];
    let request = object(request, rng);
    let links = object(
        vec![
            ("self", text(&format!("https://api.example.org/v2.1/{}/resources/{}", hex(rng), hex(rng)))),
            ("rel", text("bookmark")),
        ],
        rng,
    );
    let response = vec![
        ("job_id", text(&hex(rng))),
        ("status", text(if failed { "ERROR" } else { "ACCEPTED" })),
        ("links", format!("[{links}]")),
        ("progress", rng.u8(..101).to_string()),
    ];
    let response = object(response, rng);
    let record = vec![
        ("trace_id", text(&format!("{}-{}", &id[..8], &id[8..20]))),
        ("trace_name", text(&operation(service, verb))),
        ("trace_rating", text(rating)),
        ("trace_type", text(rng.choice(["ApiCall", "ConsoleAction", "SystemAction"]).unwrap_or("x"))),
        ("service_type", text(SERVICES[service])),
        ("resource_type", text(&THINGS[service].to_ascii_lowercase())),
        ("resource_name", text(&format!("{}-{:04}", THINGS[service].to_ascii_lowercase(), rng.u16(..2000)))),
        ("resource_id", text(&hex(rng))),
        ("user", user),
        (
            "source_ip",
            text(&format!(
                "{}.{}.{}.{}",
                rng.choice([10, 100, 192, 198]).unwrap_or(10),
                rng.u8(..16),
                rng.u8(..32),
                rng.u8(..)
            )),
        ),
        ("code", code.to_string()),
        ("api_version", text("v2.1")),
        ("time", time.to_string()),
        ("record_time", (time + rng.u64(300..4000)).to_string()),
        ("request", request),
        ("response", response),
        ("message", text("")),
        ("user_agent", text("openstacksdk/4.5.0 keystoneauth1/5.10.0 python-requests/2.32.3 CPython/3.12.9")),
        ("enterprise_project_id", text(&hex(rng))),
        ("request_id", text(&hex(rng))),
        ("project_id", text("f41c0b6a0d5e4d1f8a7c9be2d3f4a5b6")),
        ("tracker_name", text("system")),
        ("event_type", text("system")),
        ("read_only", "false".into()),
        ("location_info", text("eu-de")),
        ("resource_account_id", text(&hex(rng))),
    ];
    object(record, rng)
}

fn hex(rng: &mut Rng) -> String {
    format!("{:032x}", rng.u128(..))
}

fn object(mut members: Vec<(&str, String)>, rng: &mut Rng) -> String {
    rng.shuffle(&mut members);
    let members: Vec<String> = members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}
