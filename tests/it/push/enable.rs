//! `tracebell push` against the emulated cloud, and push and poll beside each other.

use std::{net::SocketAddr, process::Output, time::Duration};

use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tracebell::{
    clock,
    emulator::{
        Emulator,
        inbox::{Inbox, Received},
    },
    store::{Store, Way},
};

use super::{TOPIC, rewrite};
use crate::world::{self, Bridge, RULES, until};

/// Where the cloud posts. It leads to the bridge, or to nobody: what is between them can break.
struct Road {
    address: SocketAddr,
    to: watch::Sender<Option<String>>,
}

impl Road {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, (to, leads)) = (listener.local_addr().unwrap(), watch::channel(None::<String>));
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let mut leads = leads.clone();
                tokio::spawn(async move {
                    let Some(to) = leads.borrow_and_update().clone() else { return };
                    let Ok(mut to) = TcpStream::connect(to).await else { return };
                    // A connection that stays open breaks too.
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
                        _ = leads.changed() => {}
                    }
                });
            }
        });
        Self { address, to }
    }

    fn lead(&self, to: Option<&str>) {
        self.to.send_replace(to.map(|to| to.trim_start_matches("http://").to_owned()));
    }
}

struct Scene {
    cloud: Emulator,
    bridge: Bridge,
    road: Road,
    _inbox: Inbox,
    received: mpsc::Receiver<Received>,
}

impl Scene {
    async fn new(poll_every: &str) -> Self {
        let (cloud, road) = (world::cloud().await, Road::open().await);
        let (inbox, received) = Inbox::start().await.unwrap();
        let config = world::config("soar", &format!("http://{}/hook", inbox.http));
        let bridge = Bridge::new(&cloud.url(), &config, RULES);
        std::fs::write(bridge.path("smn.pem"), cloud.handle().smn_certificate()).unwrap();
        let path = bridge.path("tracebell.yaml");
        rewrite(&path, "poll_every: 1s", &format!("poll_every: {poll_every}"));
        rewrite(&path, "\"127.0.0.1:0\"", &format!("\"127.0.0.1:0\", public_url: \"http://{}\"", road.address));
        Self { cloud, bridge, road, _inbox: inbox, received }
    }

    fn take_pushes(&self) {
        let smn = format!(" }}, smn: {{ topic_urn: \"{TOPIC}\", certificate: smn.pem }} }}");
        rewrite(&self.bridge.path("tracebell.yaml"), " } }\nendpoints", &format!("{smn}\nendpoints"));
    }

    async fn start(&mut self) {
        self.bridge.start();
        let address = self.bridge.address().await;
        self.road.lead(Some(&address));
    }

    async fn command(&self, args: &[&str]) -> Output {
        let mut command = self.bridge.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    #[track_caller]
    fn ended(output: &Output, code: i32, expected: &[&str]) -> String {
        let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
        println!("{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
        for words in expected {
            assert!(said.contains(words), "no `{words}` in:\n{said}");
        }
        said
    }

    /// The next alert that reaches the endpoint, and how long it took.
    async fn rings(&mut self, trace: &str) -> Duration {
        let begun = std::time::Instant::now();
        let told = tokio::time::timeout(Duration::from_secs(30), self.received.recv()).await;
        let Ok(Some(Received::Http { body, .. })) = told else { panic!("nothing rang for {trace}: {told:?}") };
        let told = String::from_utf8_lossy(&body);
        assert!(told.contains(&format!("server-{trace}")), "{told}");
        begun.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_enabled_rings_at_once_and_the_poll_rings_nothing_twice() {
    let mut scene = Scene::new("4s").await;
    // Without `smn` in the configuration the topic is made, and the lines are told.
    let said = Scene::ended(&scene.command(&["push", "enable"]).await, 2, &["created", TOPIC, "smn: { topic_urn:"]);
    assert!(said.contains("Then run this command again"), "{said}");
    Scene::ended(&scene.command(&["push", "status"]).await, 1, &["not set up", "missing"]);
    scene.take_pushes();
    scene.start().await;
    let expected = ["topic", "was there", "subscription", "confirmed", "notification", "created", "every operation"];
    Scene::ended(&scene.command(&["push", "enable"]).await, 0, &expected);
    Scene::ended(&scene.command(&["push", "enable"]).await, 0, &["was confirmed", "was there"]);
    Scene::ended(&scene.command(&["push", "status"]).await, 0, &["confirmed", "enabled", "every operation"]);

    for number in 0..5 {
        let id = format!("t{number}");
        scene.cloud.handle().add([world::trace(&id, "deleteServer", clock::now())]);
        scene.rings(&id).await;
    }
    // The poller comes by later and finds nothing new.
    let (bridge, source) = (&scene.bridge, "prod");
    until("the poll to see them again", Duration::from_secs(30), async || {
        let accounting = Store::accounting(&bridge.store().await).await.ok()?;
        let account = accounting.sources.into_iter().find(|account| account.source == source)?;
        assert!(account.balanced(), "{account:?}");
        assert!(account.counts.matched <= 5, "{account:?}");
        (account.counts.matched == 5 && account.counts.duplicate >= 5).then_some(())
    })
    .await;
    assert!(scene.received.try_recv().is_err(), "nothing rings twice");
    let delays =
        scene.bridge.store().await.delays(clock::minus(clock::now(), Duration::from_secs(3600))).await.unwrap();
    let pushed = delays.iter().find(|row| row.way == Way::Push).expect("it was pushed");
    assert!(pushed.spread.count() >= 1, "{delays:?}");
    Scene::ended(&scene.command(&["push", "status"]).await, 0, &["last push", "half within"]);
    Scene::ended(&scene.command(&["status"]).await, 0, &["From record to store", "push"]);

    let said = Scene::ended(&scene.command(&["push", "disable", "--yes", "--output", "json"]).await, 0, &["deleted"]);
    let json: Value = serde_json::from_str(&said[..=said.rfind('}').unwrap()]).unwrap();
    assert_eq!(json["parts"].as_array().unwrap().len(), 4, "{json}");
    Scene::ended(&scene.command(&["push", "status"]).await, 1, &["missing", "tracebell push enable --source prod"]);
    Scene::ended(&scene.command(&["push", "disable", "--yes"]).await, 0, &["was not there"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_push_dead_the_poll_rings() {
    let mut scene = Scene::new("2s").await;
    scene.take_pushes();
    scene.start().await;
    let flags = ["push", "enable", "--operation", "ECS:ecs:deleteServer", "--rating", "normal"];
    Scene::ended(&scene.command(&flags).await, 0, &["created", "1 operation where trace_rating = normal"]);
    let mut took = Vec::new();
    for number in 0..6 {
        scene.road.lead(None);
        let id = format!("dead{number}");
        scene.cloud.handle().add([world::trace(&id, "deleteServer", clock::now())]);
        took.push(scene.rings(&id).await);
        scene.road.lead(Some(&scene.bridge.address().await));
        for pushed in 0..20 {
            let id = format!("live{number}-{pushed}");
            scene.cloud.handle().add([world::trace(&id, "deleteServer", clock::now())]);
            scene.rings(&id).await;
        }
    }
    let delays =
        scene.bridge.store().await.delays(clock::minus(clock::now(), Duration::from_secs(3600))).await.unwrap();
    for row in &delays {
        let part = |part| row.spread.quantile(part).unwrap();
        println!("{}: {} traces, p50 {:?}, p99 {:?}", row.way.as_str(), row.spread.count(), part(0.5), part(0.99));
    }
    let count = |way| delays.iter().find(|row| row.way == way).map_or(0, |row| row.spread.count());
    // The emulated cloud records what the command did, too; it pushes nothing but what was asked for.
    assert!(count(Way::Poll) >= 6 && (60..=120).contains(&count(Way::Push)), "{delays:?}");
    let half = |way| delays.iter().find(|row| row.way == way).and_then(|row| row.spread.quantile(0.5));
    assert!(half(Way::Push) < half(Way::Poll), "{delays:?}");
    assert!(scene.received.try_recv().is_err(), "nothing rings twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_set_up_is_said() {
    let scene = Scene::new("1h").await;
    let enable = |more: &'static [&'static str]| [&["push", "enable"], more].concat();
    Scene::ended(&scene.command(&enable(&["--operation", "IAM"])).await, 2, &["`IAM` is no operation"]);
    Scene::ended(&scene.command(&enable(&["--source", "nowhere"])).await, 2, &["no source `nowhere`", "prod"]);
    Scene::ended(&scene.command(&["push", "disable"]).await, 0, &["was not there"]);
    scene.take_pushes();
    // Nobody runs, so no confirmation can come.
    let said = Scene::ended(&scene.command(&enable(&["--wait", "1s"])).await, 3, &["no confirmation came within 1 s"]);
    assert!(said.contains("Tracebell must run"), "{said}");
    Scene::ended(&scene.command(&["push", "disable"]).await, 2, &["`--yes`"]);
    rewrite(&scene.bridge.path("tracebell.yaml"), "cts: { cloud: otc, poll_every: 1h }, ", "");
    Scene::ended(&scene.command(&["push", "status"]).await, 2, &["`smn` alone is no source", "cts"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_configuration_are_told() {
    let scene = Scene::new("1h").await;
    std::fs::write(scene.bridge.path("short"), "guess").unwrap();
    let path = scene.bridge.path("tracebell.yaml");
    let config = std::fs::read_to_string(&path).unwrap();
    let (one, two) = (format!("topic_urn: \"{TOPIC}\""), "cts: { cloud: otc, projects: [a, b] }");
    for (cts, smn, expected) in [
        ("cts: { cloud: otc }", String::new(), "the key `topic_urn` is missing"),
        ("cts: { cloud: otc }", "topic_urn: alerts".to_owned(), "`alerts` is not the URN of a topic"),
        ("cts: { cloud: otc }", "topic_urn: []".to_owned(), "expected at least one topic"),
        ("cts: { cloud: otc }", format!("{one}, certificate: nowhere.pem"), "cannot read"),
        ("cts: { cloud: otc }", format!("{one}, certificate: tracebell.yaml"), "holds no certificate in PEM"),
        ("cts: { cloud: otc }", format!("{one}, ca: tracebell.yaml"), "holds no certificate"),
        ("cts: { cloud: otc }", format!("{one}, certificate: smn.pem, ca: smn.pem"), "exclude each other"),
        ("cts: { cloud: otc }", format!("{one}, certificate_host: \"https://x/\""), "is not the name of a host"),
        ("cts: { cloud: otc }", format!("{one}, max_age: 2d"), "expected a duration from 1 min to 1 d"),
        ("cts: { cloud: otc }", format!("{one}, function_token: {{ file: short }}"), "at least 16 letters"),
        ("cts: { cloud: otc }", format!("{one}, certificat: smn.pem"), "did you mean `certificate`"),
        (two, one.clone(), "`smn` is for one project"),
    ] {
        world::write(
            &path,
            &config.replace("cts: { cloud: otc, poll_every: 1h }", &format!("{cts}, smn: {{ {smn} }}")),
        );
        let output = scene.command(&["push", "status"]).await;
        Scene::ended(&output, 2, &[expected, "sources.prod.smn"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_another_project_is_told_and_none_is_made_in_its_place() {
    let scene = Scene::new("4s").await;
    let other = TOPIC.replace("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let smn = format!(" }}, smn: {{ topic_urn: \"{other}\", certificate: smn.pem }} }}");
    rewrite(&scene.bridge.path("tracebell.yaml"), " } }\nendpoints", &format!("{smn}\nendpoints"));
    let said = format!("the topic of this project is `{TOPIC}`, and `{other}` stands in the configuration");
    Scene::ended(&scene.command(&["push", "enable"]).await, 2, &[&said]);
    assert_eq!(scene.cloud.handle().stats().count("/notifications/topics", 201), 0);
}
