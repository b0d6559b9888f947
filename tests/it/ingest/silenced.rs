//! A silence is told of where people read about what it keeps from them.

use tracebell::{
    deliver::Deliver,
    emulator::slack::{Message, Slack},
    endpoint::{self, Endpoint, KindSettings, client::Outbound},
    silence::{Draft, Matcher, Silence},
    topic::{GroupBy, Grouping},
};

use super::*;

const DELETED: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: high
    match: { operation: deleteServer }
    dedup: { by: [actor.name], for: 1h }
    topics: [security]
  - id: server-stopped
    title: "{{ actor.name }} stopped server {{ resource.name }}"
    severity: high
    match: { operation: stopServer }
    dedup: { by: [actor.name], for: 1h }
    topics: [security]
"#;

/// People who read a Slack channel, where a bot has conversations.
struct Channel {
    scene: Scene,
    slack: Slack,
    settings: endpoint::Settings,
    now: Timestamp,
}

impl Channel {
    async fn new(group: Option<Grouping>) -> Self {
        let slack = Slack::start("xoxb-SECRET", &["sec"]).await.unwrap();
        let bot = endpoint::slack::bot::Settings {
            token: Secret::new("xoxb-SECRET"),
            channel: "#sec".into(),
            api_url: slack.url(),
        };
        let settings = endpoint::Settings {
            outbound: Arc::new(Outbound::loopback()),
            ..endpoint::Settings::new("bot", KindSettings::SlackBot(bot))
        };
        let (rules, problems) = rule::load(&[File { name: "test.yaml".into(), text: DELETED.into() }]);
        assert!(problems.is_empty(), "{problems:?}");
        let to = |endpoint: &str| Subscription {
            group: group.clone(),
            ..Subscription::new(format!("security/{endpoint}"), endpoint)
        };
        let topics = Topics {
            topics: [("security".to_owned(), vec![to("bot"), to("soar")])].into(),
            addresses: [("bot".into(), settings.address(None)), ("soar".into(), Address::plain(Format::Webhook))]
                .into(),
            ..Topics::default()
        };
        let mut scene = Scene::with(Generation { rules, topics, ..Generation::default() }, "secret").await;
        let now = clock::now();
        scene.read_all(now).await;
        Self { scene, slack, settings, now }
    }

    async fn happens(&mut self, id: &str, actor: &str, operation: &str, seconds: u64) {
        let now = after(self.now, seconds);
        let mut trace = world::trace(id, operation, clock::minus(now, Duration::from_secs(20)));
        trace["user"]["name"] = actor.into();
        self.scene.cloud.handle().add([trace]);
        self.scene.read_all(now).await;
    }

    async fn silence(&self, matcher: &str, from: u64, to: u64) -> Silence {
        let draft = Draft {
            matchers: vec![Matcher::parse(matcher).unwrap()],
            starts_at: after(self.now, from),
            ends_at: after(self.now, to),
            author: "ops".into(),
            comment: "planned <!channel>".into(),
        };
        let silence = Silence::new(draft, after(self.now, from)).unwrap();
        self.scene.store.put_silence(silence.clone()).await.unwrap();
        silence
    }

    /// A sweep and a delivery, each by a process of its own; returns what the channel shows then.
    async fn goes_on(&self, seconds: u64) -> Vec<Message> {
        let now = after(self.now, seconds);
        self.scene.sweep().step(now).await.unwrap();
        let ((rung, _), (metrics, _), board) = (watch::channel(()), Metrics::new(), Board::default());
        board.expect(&Deliver::<Sqlite>::task("bot"), Duration::from_secs(90), now);
        let endpoint = Endpoint::new(&self.settings).unwrap();
        let (store, generation) = (self.scene.store.clone(), self.scene.generation.subscribe());
        let mut worker = Deliver::new(self.settings.clone(), endpoint, store, generation, rung, metrics, board);
        for _ in 0..5 {
            worker.step(now).await.unwrap();
        }
        self.slack.messages()
    }

    /// What is said below the first message of the channel.
    fn replies(messages: &[Message]) -> Vec<&str> {
        let below = |message: &&Message| message.thread.as_ref() == Some(&messages[0].ts);
        messages.iter().filter(below).map(|message| message.text.as_str()).collect()
    }
}

#[tokio::test]
async fn a_conversation_hears_once_that_it_is_silenced_and_once_that_it_no_longer_is() {
    let mut channel = Channel::new(None).await;
    channel.happens("a1", "alice", "deleteServer", 2).await;
    channel.happens("b1", "bob", "stopServer", 4).await;
    assert_eq!(channel.goes_on(5).await.len(), 2);
    let silence = channel.silence("rule=server-deleted", 60, 1000).await;
    assert_eq!(channel.goes_on(30).await.len(), 2, "it has not begun");
    let messages = channel.goes_on(60).await;
    assert_eq!(channel.goes_on(70).await.len(), 3, "told once");
    let end = silence.ends_at.strftime("%H:%M UTC").to_string();
    let replies = Channel::replies(&messages);
    assert_eq!(replies.len(), 1, "{messages:?}");
    assert!(replies[0].contains("Silenced until ") && replies[0].contains(&end), "{replies:?} {end}");
    assert!(replies[0].ends_with(" by ops: planned &lt;!channel&gt;"), "{replies:?}");
    assert_eq!((messages[0].reactions.as_slice(), messages[0].edits), (["no_bell".to_owned()].as_slice(), 0));
    assert!(messages[1].reactions.is_empty(), "bob's alert is not silenced");
    assert!(!messages[2].broadcast);

    // Another one takes over: the bell stays away until that is over too.
    let longer = channel.silence("actor.name=alice", 500, 3000).await;
    let messages = channel.goes_on(500).await;
    assert_eq!(Channel::replies(&messages).len(), 2);
    let messages = channel.goes_on(1001).await;
    assert_eq!((Channel::replies(&messages).len(), messages[0].reactions.len()), (2, 1));
    assert!(channel.scene.store.expire_silence(&longer.id, after(channel.now, 1200)).await.unwrap());
    let messages = channel.goes_on(1200).await;
    let replies = Channel::replies(&messages);
    assert_eq!(replies.len(), 3);
    assert!(replies[2].contains("No longer silenced: the silence of ops is over, it kept nothing back"), "{replies:?}");
    assert!(messages[0].reactions.is_empty());
    assert_eq!(channel.goes_on(3001).await.len(), messages.len(), "told once");
    // It tells of no alert, and the program on the other side hears nothing of it.
    let deliveries = channel.scene.deliveries().await;
    assert_eq!(deliveries.iter().filter(|row| row.delivery.endpoint == "soar").count(), 2);
    let account = channel.scene.accounting().await;
    let account = account.subscriptions.iter().find(|account| account.subscription == "security/bot").unwrap();
    assert!(account.balanced() && (account.owed, account.delivered, account.pending) == (2, 2, 0), "{account:?}");
}

#[tokio::test]
async fn a_silence_of_one_alert_of_a_group_says_of_which() {
    let group = Grouping { by: GroupBy::Actor, within: Duration::from_secs(600) };
    let mut channel = Channel::new(Some(group)).await;
    channel.happens("a1", "alice", "deleteServer", 2).await;
    channel.happens("a2", "alice", "stopServer", 10).await;
    assert_eq!(channel.goes_on(11).await.len(), 1, "the second is gathered");
    channel.silence("rule=server-stopped", 60, 1000).await;
    let messages = channel.goes_on(60).await;
    let reply = &messages[1];
    assert_eq!(reply.thread.as_ref(), Some(&messages[0].ts));
    assert!(reply.blocks.to_string().contains("Of what is told here: alice stopped server"), "{}", reply.blocks);
    assert!(messages[0].reactions.is_empty(), "the first message is about something else");
    // Both of them: once, after what was gathered before.
    let before = channel.goes_on(80).await.len();
    channel.silence("actor.name=alice", 90, 1000).await;
    let messages = channel.goes_on(90).await;
    assert_eq!(messages.len(), before + 1, "{messages:?}");
    let last = messages[before].blocks.to_string();
    assert!(last.contains("Silenced until") && !last.contains("Of what is told here"), "{last}");
    assert_eq!(messages[0].reactions, ["no_bell"]);
}

#[tokio::test]
async fn what_waits_to_tell_of_a_silence_is_not_told_after_its_end() {
    let mut channel = Channel::new(None).await;
    channel.happens("a1", "alice", "deleteServer", 2).await;
    channel.goes_on(5).await;
    let silence = channel.silence("rule=server-deleted", 60, 1000).await;
    // Owed, and the chat is not asked before the silence is over.
    channel.scene.sweep().step(after(channel.now, 60)).await.unwrap();
    assert!(channel.scene.store.expire_silence(&silence.id, after(channel.now, 70)).await.unwrap());
    let messages = channel.goes_on(80).await;
    assert_eq!((messages.len(), messages[0].reactions.len()), (1, 0), "{messages:?}");
}

#[tokio::test]
async fn a_silence_that_goes_on_after_another_is_told_when_that_ends() {
    const DAY: u64 = 24 * 3600;
    let mut channel = Channel::new(None).await;
    channel.happens("a1", "alice", "deleteServer", 2).await;
    channel.goes_on(5).await;
    channel.silence("rule=server-deleted", 60, DAY + 900).await;
    channel.goes_on(60).await;
    // The alert is too old to be looked for when this one begins.
    let longer = channel.silence("actor.name=alice", DAY + 600, DAY + 3000).await;
    assert_eq!(Channel::replies(&channel.goes_on(DAY + 600).await).len(), 1);
    let messages = channel.goes_on(DAY + 900).await;
    let end = longer.ends_at.strftime("%H:%M UTC").to_string();
    assert!(Channel::replies(&messages)[1].contains(&end), "{messages:?}");
    let messages = channel.goes_on(DAY + 3000).await;
    assert!(Channel::replies(&messages)[2].contains("No longer silenced"), "{messages:?}");
    assert!(messages[0].reactions.is_empty());
}
