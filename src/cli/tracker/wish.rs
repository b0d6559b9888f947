//! The flags of `tracebell tracker create` and `update`: what a tracker should be like.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::source::tracker::{
    Wish,
    settings::{self, Values},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compression {
    Gzip,
    Json,
}

#[derive(Debug, clap::Args)]
pub struct WishArgs {
    /// Bucket that receives the trace files
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Beginning of the names of trace files
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Let the cloud create the bucket
    #[arg(long)]
    create_bucket: bool,
    /// How trace files are packed; the cloud may keep what it has (v3)
    #[arg(long)]
    compress: Option<Compression>,
    /// A folder for each service in the bucket (v3)
    #[arg(long)]
    sort_by_service: Option<Switch>,
    /// Days after which the bucket forgets trace files (v3, where offered)
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    lifecycle: Option<u32>,
    /// Write digests by which trace files can be verified
    #[arg(long)]
    validate: Option<Switch>,
    /// Encrypt trace files (needs a key)
    #[arg(long)]
    encrypt: Option<Switch>,
    /// Key of the Key Management Service; switches encryption on (v3, where offered)
    #[arg(long, value_name = "ID")]
    kms_key: Option<String>,
    /// Send traces to the Log Tank Service too
    #[arg(long)]
    lts: bool,
    /// Do not send traces to the Log Tank Service
    #[arg(long, conflicts_with_all = ["lts", "lts_group", "lts_topic"])]
    no_lts: bool,
    /// Log group (v1 only: v3 chooses it by itself)
    #[arg(long, requires = "lts", value_name = "NAME")]
    lts_group: Option<String>,
    /// Log topic (v1 only: v3 chooses it by itself)
    #[arg(long, requires = "lts", value_name = "NAME")]
    lts_topic: Option<String>,
    /// Agency by which CTS reaches other services (v3, where offered)
    #[arg(long, value_name = "NAME")]
    agency: Option<String>,
    /// Record the whole organization (v3, where offered)
    #[arg(long)]
    organization: Option<Switch>,
    /// Services that are not recorded; the cloud allows only KMS (v3, where offered)
    #[arg(long, value_name = "SERVICE", value_delimiter = ',')]
    exclude_service: Option<Vec<String>>,
    /// Bucket whose objects a data tracker watches (v3, where offered)
    #[arg(long, value_name = "NAME")]
    data_bucket: Option<String>,
    /// What a data tracker records: READ, WRITE or both (v3, where offered)
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    data_event: Option<Vec<String>>,
    /// `enabled` or `disabled`
    #[arg(long)]
    status: Option<String>,
}

impl WishArgs {
    pub fn wish(&self, kind: Option<&str>) -> Wish {
        let mut values = Values::new();
        let mut put = |name: &'static str, value: Option<Value>| values.extend(value.map(|value| (name, value)));
        let text = |text: &Option<String>| text.clone().map(Value::String);
        let switch = |switch: Option<Switch>| switch.map(|switch| json!(switch == Switch::On));
        put(settings::BUCKET, text(&self.bucket));
        put(settings::PREFIX, text(&self.prefix));
        let compression = |kind| if kind == Compression::Gzip { "gzip" } else { "json" };
        put(settings::COMPRESS, self.compress.map(|kind| json!(compression(kind))));
        put(settings::SORT, switch(self.sort_by_service));
        put(settings::LIFECYCLE, self.lifecycle.map(Value::from));
        put(settings::VALIDATE, switch(self.validate));
        let by_key = self.kms_key.is_some().then_some(Switch::On);
        put(settings::ENCRYPT, switch(self.encrypt.or(by_key)));
        put(settings::KMS_KEY, text(&self.kms_key));
        put(settings::LTS, if self.lts { Some(json!(true)) } else { self.no_lts.then_some(json!(false)) });
        put(settings::LTS_GROUP, text(&self.lts_group));
        put(settings::LTS_TOPIC, text(&self.lts_topic));
        put(settings::AGENCY, text(&self.agency));
        put(settings::ORGANIZATION, switch(self.organization));
        put(settings::EXCLUDE, self.exclude_service.as_ref().map(|services| json!(services)));
        put(settings::DATA_BUCKET, text(&self.data_bucket));
        let upper = |kinds: &Vec<String>| kinds.iter().map(|kind| kind.to_ascii_uppercase()).collect::<Vec<_>>();
        put(settings::DATA_EVENTS, self.data_event.as_ref().map(|kinds| json!(upper(kinds))));
        put(settings::STATUS, text(&self.status));
        Wish { kind: kind.map(str::to_owned), create_bucket: self.create_bucket, values }
    }
}
