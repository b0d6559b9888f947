//! Who does things, and from where. Addresses are those kept for documentation.

use serde_json::{Value, json};

use crate::emulator::world::hex_id;

pub const ACCOUNT: &str = "OTC00000000001000000001";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A colleague in the office, at the console.
    Person(&'static str),
    /// A pipeline with a key.
    Pipeline(&'static str),
    /// Someone who took on a role through an agency.
    Agency { name: &'static str, by: &'static str },
    /// The cloud itself: no user, no address.
    Platform,
}

pub const PEOPLE: [&str; 6] = ["anna.weber", "b.yilmaz", "carla.rossi", "d.novak", "emre.koch", "f.martin"];
const PIPELINES: [&str; 3] = ["terraform-ci", "gitlab-runner", "svc-backup"];
const AGENCIES: [(&str, &str); 2] = [("ops-readwrite", "anna.weber"), ("dws-agency/op_service", "op_svc_dws")];

impl Actor {
    /// Half the traffic is programs, as in most accounts.
    pub fn any(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(..100) {
            0..45 => Self::Pipeline(pick(rng, &PIPELINES)),
            45..80 => Self::Person(pick(rng, &PEOPLE)),
            80..88 => {
                let (name, by) = pick(rng, &AGENCIES);
                Self::Agency { name, by }
            }
            _ => Self::Platform,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Person(name) | Self::Pipeline(name) | Self::Agency { name, .. } => name,
            Self::Platform => "",
        }
    }

    pub fn trace_type(self) -> &'static str {
        match self {
            Self::Person(_) => "ConsoleAction",
            Self::Pipeline(_) | Self::Agency { .. } => "ApiCall",
            Self::Platform => "SystemAction",
        }
    }

    /// Everyone has a place of their own.
    pub fn source_ip(self) -> String {
        let place = self.name().bytes().map(u32::from).sum::<u32>() % 40;
        match self {
            Self::Person(_) => format!("198.51.100.{}", 10 + place),
            Self::Pipeline(_) | Self::Agency { .. } => format!("192.0.2.{}", 20 + place),
            Self::Platform => String::new(),
        }
    }

    /// The `user` of a trace; null for the platform.
    pub fn user(self) -> Value {
        match self {
            Self::Platform => Value::Null,
            Self::Agency { name, by } => {
                let mut user = user(name);
                user["assumedBy"] = json!({"user": self::user(by)});
                user
            }
            Self::Person(name) | Self::Pipeline(name) => user(name),
        }
    }
}

pub fn user(name: &str) -> Value {
    json!({"name": name, "id": hex_id("user", name), "domain": {"name": ACCOUNT, "id": hex_id("domain", ACCOUNT)}})
}

pub fn pick<T: Copy>(rng: &mut fastrand::Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}
