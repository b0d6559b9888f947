//! A Slack bot against the emulated Slack, and the chats that speak Markdown.

use std::{path::Path, sync::Arc};

use tokio::sync::watch;
use tracebell::{
    deliver::Deliver,
    emulator::slack::{Answer as Planned, Slack},
    endpoint::client::Outbound,
    generation::Generation,
    health::Board,
    metrics::Metrics,
    notification::Kind,
    render::attachments::Style,
    store::{Accepted, Sqlite, Store},
    topic::{Due, Topics},
};

use super::{samples::summary, smn::LOGIN, *};
use crate::world;

const TOKEN: &str = "xoxb-SECRET";

fn bot(slack: &Slack, token: &str, channel: &str) -> Settings {
    let settings = slack::bot::Settings { token: Secret::new(token), channel: channel.into(), api_url: slack.url() };
    Settings { outbound: Arc::new(Outbound::loopback()), ..settings_of(KindSettings::SlackBot(settings)) }
}

fn settings_of(kind: KindSettings) -> Settings {
    Settings::new("here", kind)
}

fn repeated() -> Notification {
    Notification { kind: Kind::Repeated, ..summary() }
}

/// One attempt; `head` is the receipt of the conversation that the first notification opened.
async fn tell(settings: &Settings, notification: Notification, head: Option<&str>, attempt: u32) -> Outcome {
    let mut told = delivery(&settings.address(None), notification);
    if told.notification.kind != Kind::Opened {
        let (address, thread) = (settings.address(None), Delivery::id(Kind::Opened, "a cause", "security/here"));
        let Delivery { notification, id, subscription, .. } = &told;
        told.body = render::body(&Letter { address: &address, notification, id, thread: &thread, subscription });
        told.thread = thread;
    }
    let leased = Leased { thread_receipt: head.map(str::to_owned), ..tried(&told, attempt) };
    Endpoint::new(settings).unwrap().send(&leased, clock::now()).await
}

#[track_caller]
fn receipt(outcome: &Outcome) -> String {
    let Outcome::Delivered { receipt: Some(receipt), .. } = outcome else { panic!("{outcome:?}") };
    receipt.clone()
}

#[tokio::test]
async fn a_bot_keeps_its_first_message_and_tells_the_rest_below_it() {
    let slack = Slack::start(TOKEN, &["sec"]).await.unwrap();
    let settings = bot(&slack, TOKEN, "#sec");
    let address = settings.address(None);
    let topics = Topics { addresses: [("here".to_owned(), address)].into(), ..Topics::default() };
    let folder = tempfile::tempdir().unwrap();
    let thread = Delivery::id(Kind::Opened, "a", "security/here");
    let (mut edits, mut messages) = (Vec::new(), Vec::new());
    for notification in [opened(), repeated(), escalated(), repeated(), summary()] {
        // Each by a process of its own: nothing is remembered but what the store keeps.
        let now = clock::now();
        let store = Sqlite::open(&folder.path().join("state.db"), now).await.unwrap();
        let occasion = if notification.kind == Kind::Repeated { format!("a {}", edits.len()) } else { "a".to_owned() };
        let due = Due::new(&notification, &occasion, "security/here", "here", Cause::Notice);
        store.publish(vec![topics.owed(Due { thread: Some(&thread), ..due })]).await.unwrap();
        let (generation, _) = watch::channel(Arc::new(Generation { topics: topics.clone(), ..Generation::default() }));
        let ((rung, _), (metrics, _), board) = (watch::channel(()), Metrics::new(), Board::default());
        board.expect(&Deliver::<Sqlite>::task("here"), Duration::from_secs(90), now);
        let endpoint = Endpoint::new(&settings).unwrap();
        let mut worker = Deliver::new(settings.clone(), endpoint, store, generation.subscribe(), rung, metrics, board);
        worker.step(clock::now()).await.unwrap();
        messages = slack.messages();
        edits.push(messages[0].edits);
    }
    assert_eq!(edits, [0, 1, 2, 3, 4]);
    let [first, replies @ ..] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(first.reactions, ["arrow_double_up", "zzz"]);
    assert!(first.blocks.to_string().contains("14 times in 12 min 5 s, window closed"), "{}", first.blocks);
    assert_eq!(first.metadata["event_payload"]["delivery"], thread);
    assert!(replies.iter().all(|reply| reply.thread.as_deref() == Some(first.ts.as_str())), "{replies:?}");
    // Who follows no thread hears that it got worse all the same.
    assert_eq!(replies.iter().map(|reply| reply.broadcast).collect::<Vec<_>>(), [true, false]);
    assert!(replies[0].blocks.to_string().contains("This alert got worse"), "{}", replies[0].blocks);
    // Asked once whether the token works, not by each process.
    assert_eq!(slack.calls().iter().filter(|call| *call == "auth.test").count(), 1);
}

#[tokio::test]
async fn a_token_is_tried_once_a_day_whatever_restarts() {
    let slack = Slack::start(TOKEN, &["sec"]).await.unwrap();
    let (good, wrong) = (bot(&slack, TOKEN, "#sec"), bot(&slack, "xoxb-old", "#sec"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let begun = clock::now();
    let hour = |hours: u64| clock::plus(begun, Duration::from_secs(hours * 3600));
    // Which token a process has that starts at which hour, how often one was tried by then, with what result.
    for (settings, at, calls, standing) in [
        (&good, 0, 1, Accepted::Yes),
        (&good, 1, 1, Accepted::Yes),
        (&good, 23, 1, Accepted::Yes),
        (&good, 24, 2, Accepted::Yes),
        (&wrong, 25, 3, Accepted::No),
        (&wrong, 26, 3, Accepted::No),
        (&good, 27, 4, Accepted::Yes),
        (&good, 28, 4, Accepted::Yes),
        // An answer that says nothing about the token is none for a day.
        (&good, 51, 5, Accepted::Unknown),
        (&good, 52, 6, Accepted::Yes),
    ] {
        if standing == Accepted::Unknown {
            slack.plan("auth.test", Planned::Lost);
        }
        let store = Sqlite::open(&path, hour(at)).await.unwrap();
        let topics = Topics { addresses: [("here".to_owned(), settings.address(None))].into(), ..Topics::default() };
        let (generation, _) = watch::channel(Arc::new(Generation { topics, ..Generation::default() }));
        let ((rung, _), (metrics, _), board) = (watch::channel(()), Metrics::new(), Board::default());
        board.expect(&Deliver::<Sqlite>::task("here"), Duration::from_secs(90), hour(at));
        let endpoint = Endpoint::new(settings).unwrap();
        let mut worker = Deliver::new(settings.clone(), endpoint, store, generation.subscribe(), rung, metrics, board);
        worker.step(hour(at)).await.unwrap();
        let store = Sqlite::open_read(&path).await.unwrap();
        let checked = store.endpoints().await.unwrap().remove(0).checked.unwrap();
        assert_eq!(checked.standing, standing, "at {at} h: {checked:?}");
        assert!(!format!("{checked:?}").contains("xoxb-"), "{checked:?}");
        assert_eq!(slack.calls().iter().filter(|call| *call == "auth.test").count(), calls, "at {at} h");
        let word = match standing {
            Accepted::Yes => "accepted",
            Accepted::No => "refused",
            Accepted::Unknown => "not known; tried",
        };
        shown(folder.path(), settings, &format!("credentials {word} "));
    }
    let other = bot(&slack, "xoxb-new", "#sec");
    shown(folder.path(), &other, "credentials not tried yet");
}

/// What `tracebell endpoint show` says of a bot.
#[track_caller]
fn shown(folder: &Path, settings: &Settings, expected: &str) {
    let KindSettings::SlackBot(bot) = &settings.kind else { panic!("{settings:?}") };
    let config = format!(
        "state: {{ sqlite: {{ path: state.db }} }}\nsources: {{ prod: {{ cts: {{}} }} }}\noutbound: {{ allow: [127.0.0.0/8] }}\n\
         topics: {{ default: [ {{ endpoint: here }} ] }}\n\
         endpoints: {{ here: {{ slack: {{ token: {{ env: BOT }}, channel: '#sec', api_url: '{}' }} }} }}\n",
        bot.api_url
    );
    std::fs::write(folder.join("tracebell.yaml"), config).unwrap();
    std::fs::create_dir_all(folder.join("rules")).unwrap();
    let rule = "rules: [ { id: one, title: One, severity: high, match: { service: KMS } } ]\n";
    std::fs::write(folder.join("rules/one.yaml"), rule).unwrap();
    let output = world::tracebell()
        .args(["endpoint", "show", "here"])
        .current_dir(folder)
        .envs(LOGIN)
        .env("BOT", bot.token.expose())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(expected), "no `{expected}` in {words} {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn what_slack_says_decides_what_happens_next() {
    let slack = Slack::start(TOKEN, &["sec"]).await.unwrap();
    let settings = bot(&slack, TOKEN, "#sec");
    for (planned, said, class, told) in [
        (Planned::Word("invalid_auth"), "paused", "slack_error", "install the app again"),
        (Planned::Word("not_in_channel"), "paused", "slack_error", "/invite"),
        (Planned::Scope("chat:write"), "paused", "slack_error", "scope `chat:write`"),
        (Planned::Word("msg_too_long"), "refused", "slack_error", "shorter_may_help: true"),
        (Planned::Word("internal_error"), "retry", "slack_error", "internal_error"),
        (Planned::Wait(30), "retry", "slack_error", "30s"),
        (Planned::Lost, "retry", "http_5xx", "502"),
    ] {
        slack.plan("chat.postMessage", planned);
        let outcome = tell(&settings, opened(), None, 1).await;
        assert_said(&outcome, said, class);
        assert!(format!("{outcome:?}").contains(told), "{told} in {outcome:?}");
        assert!(!format!("{outcome:?}").contains("SECRET"), "{outcome:?}");
    }
    let wrong = bot(&slack, "xoxb-old", "#sec");
    assert_said(&tell(&wrong, opened(), None, 1).await, "paused", "slack_error");
    assert_said(&tell(&bot(&slack, TOKEN, "#nowhere"), opened(), None, 1).await, "paused", "slack_error");

    let check = async |settings: &Settings| Endpoint::new(settings).unwrap().check(clock::now()).await;
    assert_said(&check(&settings).await.unwrap(), "delivered", "http_2xx");
    assert_said(&check(&wrong).await.unwrap(), "paused", "slack_error");
    assert_eq!(check(&slack_to("http://127.0.0.1:1/")).await, None, "a webhook cannot be tried without posting");
}

#[tokio::test]
async fn a_lost_answer_is_no_second_message_where_the_channel_can_be_read() {
    let slack = Slack::start(TOKEN, &["sec"]).await.unwrap();
    let by_id = bot(&slack, TOKEN, &slack.channel("sec").unwrap());
    slack.plan("chat.postMessage", Planned::Lost);
    assert_said(&tell(&by_id, opened(), None, 1).await, "retry", "http_5xx");
    let found = tell(&by_id, opened(), None, 2).await;
    assert!(found.reason().contains("an earlier attempt had posted it"), "{found:?}");
    assert_eq!(slack.messages().len(), 1);
    let head = receipt(&found);
    assert!(head.contains(&slack.messages()[0].ts), "{head}");

    // A reply, too.
    slack.plan("chat.postMessage", Planned::Lost);
    assert_said(&tell(&by_id, escalated(), Some(&head), 1).await, "retry", "http_5xx");
    assert_said(&tell(&by_id, escalated(), Some(&head), 2).await, "delivered", "http_2xx");
    assert_eq!(slack.messages().len(), 2);

    // Without the scope nobody can know: rather twice than never.
    slack.plan("chat.postMessage", Planned::Lost);
    slack.plan("conversations.replies", Planned::Scope("channels:history"));
    assert_said(&tell(&by_id, summary(), Some(&head), 1).await, "retry", "http_5xx");
    let twice = tell(&by_id, summary(), Some(&head), 2).await;
    assert!(twice.reason().contains("is not known (missing_scope)"), "{twice:?}");
    assert_eq!(slack.messages().len(), 4);
}

#[tokio::test]
async fn a_first_message_that_is_gone_is_followed_by_another() {
    let slack = Slack::start(TOKEN, &["sec"]).await.unwrap();
    let settings = bot(&slack, TOKEN, "#sec");
    let head = receipt(&tell(&settings, opened(), None, 1).await);

    slack.plan("reactions.add", Planned::Scope("reactions:write"));
    let noted = tell(&settings, escalated(), Some(&head), 1).await;
    assert_said(&noted, "delivered", "http_2xx");
    assert!(noted.reason().contains("no reaction `arrow_double_up`"), "{noted:?}");
    assert!(noted.reason().contains("scope `reactions:write`"), "{noted:?}");
    slack.plan("reactions.add", Planned::Word("already_reacted"));
    let quiet = tell(&settings, escalated(), Some(&head), 1).await;
    assert!(!quiet.reason().contains("reaction"), "{quiet:?}");

    // An edit that fails for now leaves nothing said twice.
    let before = slack.messages().len();
    slack.plan("chat.update", Planned::Word("internal_error"));
    assert_said(&tell(&settings, summary(), Some(&head), 1).await, "retry", "slack_error");
    assert_eq!(slack.messages().len(), before);

    slack.delete(&slack.messages()[0].ts);
    let unseen = tell(&settings, repeated(), Some(&head), 1).await;
    assert!(unseen.reason().contains("cannot be edited (message_not_found)"), "{unseen:?}");
    let anew = tell(&settings, summary(), Some(&head), 1).await;
    let messages = slack.messages();
    let last = messages.last().unwrap();
    assert_eq!((last.thread.clone(), messages.len()), (None, before));
    assert!(receipt(&anew).contains(&last.ts));

    // What belongs to another alert of the group is told below it and leaves it as it is.
    let mut other = escalated();
    other.alert.as_mut().unwrap().id = "alr_other".into();
    let edits = last.edits;
    assert_said(&tell(&settings, other, Some(&receipt(&anew)), 1).await, "delivered", "http_2xx");
    let messages = slack.messages();
    let kept = messages.iter().find(|message| message.ts == last.ts).unwrap();
    assert_eq!((kept.edits, &kept.reactions), (edits, &last.reactions));

    let calls = slack.calls().len();
    let unheard = tell(&settings, repeated(), None, 1).await;
    assert_said(&unheard, "delivered", "http_2xx");
    assert!(unheard.reason().contains("never arrived"), "{unheard:?}");
    assert_eq!(slack.calls().len(), calls, "a count alone is no message");
    assert_said(&tell(&settings, escalated(), None, 1).await, "delivered", "http_2xx");
    assert_eq!(slack.messages().last().unwrap().thread, None, "what has no first message stands alone");
}

#[test]
fn every_part_of_a_bots_conversation_is_valid_and_inert() {
    let mut lines = Vec::new();
    for sample in samples() {
        let address = Address::plain(Format::SlackBot);
        for thread in ["msg_x", "msg_first"] {
            let letter =
                Letter { address: &address, notification: &sample, id: "msg_x", thread, subscription: "security/here" };
            let parts: Value = serde_json::from_slice(&render::body(&letter)).unwrap();
            for part in ["post", "update"] {
                if let Value::Object(mut payload) = parts[part].clone() {
                    let metadata = payload.remove("metadata");
                    assert_eq!(metadata.is_some(), part == "post", "an update keeps the metadata");
                    lines.push(Value::Object(payload).to_string());
                }
            }
        }
    }
    assert!(lines.len() > 2 * samples().len(), "posts and updates");
    for seen in ask("slack_blocks.py", lines) {
        let seen: Value = serde_json::from_str(&seen).unwrap();
        assert_eq!(seen["problems"], json!([]), "{seen}");
        assert_harmless(seen["text"].as_str().unwrap());
        assert_harmless(seen["fallback"].as_str().unwrap());
    }
}

/// Read by a Markdown parser that links whatever looks like an address: text, code and our own links are left.
#[test]
fn mattermost_and_rocket_chat_read_nothing_into_what_traces_say() {
    let samples = samples();
    let style = Style { channel: Some("town-square".into()), username: None };
    for (format, most) in [(Format::Mattermost(style), 16_383), (Format::Rocketchat, 5_000)] {
        let bodies: Vec<_> =
            samples.iter().map(|one| String::from_utf8(body(&format, one, "msg_x")).unwrap()).collect();
        for (line, sample) in ask("markdown_inert.py", bodies).iter().zip(&samples) {
            let seen: Value = serde_json::from_str(line).unwrap();
            assert_eq!(seen["problems"], json!([]), "{seen}");
            assert!(seen["length"].as_u64().unwrap() <= most, "{seen}");
            assert!(seen["text"].as_str().unwrap().contains(sample.severity.as_str()), "{seen}");
            for link in seen["links"].as_array().unwrap() {
                let link = link.as_str().unwrap();
                let known = ["https://wiki.example.org/", "https://console.otc.t-systems.com/"];
                assert!(known.iter().any(|known| link.starts_with(known)), "{link}");
            }
            assert_eq!(seen["channel"], json!(matches!(format, Format::Mattermost(_)).then_some("town-square")));
        }
    }
}
