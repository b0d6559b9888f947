//! Mail end to end: through a real mail server, past relays with bad manners, and looked at in a browser.

use std::{path::PathBuf, process::Command, time::Duration};

use mail_parser::MessageParser;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tracebell::{
    clock,
    endpoint::{Endpoint, KindSettings, Settings, client::Outbound, email},
    notification::{Kind, Notification},
    render::{Address, Format, Letterhead},
    secret::Secret,
};

use super::{
    assert_harmless, assert_said, delivery, header, mail_to,
    receivers::{Inbox, Postfix},
    samples::{digest, group, hostile, opened, samples, summary},
    send, tried,
};

fn changed(mut settings: Settings, change: impl FnOnce(&mut email::Settings)) -> Settings {
    let KindSettings::Email(email) = &mut settings.kind else { unreachable!() };
    change(email);
    settings
}

fn letterhead() -> Format {
    Format::Email(Letterhead { from: "bell@example.org".into(), to: vec!["ops@example.org".into()] })
}

#[tokio::test]
async fn a_real_mail_server_takes_mail_and_keeps_conversations_together() {
    let mut postfix = Postfix::start("bell:s3cret");
    let starttls = mail_to(postfix.starttls, email::Tls::Starttls, Some(("bell", "s3cret")), Some(&postfix.ca()));
    let tls = mail_to(postfix.tls, email::Tls::Tls, Some(("bell", "s3cret")), Some(&postfix.ca()));

    let first = delivery(&starttls.address(None), opened());
    let outcome = Endpoint::new(&starttls).unwrap().send(&tried(&first, 1), clock::now()).await;
    assert_said(&outcome, "delivered", "smtp_2xx");
    let mail = postfix.next();
    assert_eq!((&mail["type"], &mail["defects"]), (&json!("multipart/alternative"), &json!([])));
    assert_eq!(header(&mail, "List-Id"), "Tracebell security <security.tracebell.example.org>");
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
    assert!(header(&mail, "Received").contains("ESMTPSA"), "encrypted and logged in: {mail}");
    let subject = header(&mail, "Subject").to_owned();
    assert!(
        mail["text"].as_str().unwrap().starts_with("alice scheduled deletion of key prod-db\nCRITICAL\n"),
        "{mail}"
    );
    assert!(mail["html"].as_str().unwrap().contains("<h1"), "{mail}");
    let names = |mail: &Value| mail["names"].as_array().unwrap().iter().map(ToString::to_string).collect::<String>();
    assert!(!names(&mail).contains("In-Reply-To"), "{mail}");

    // A follow-up, over the other kind of TLS, is an answer to the first.
    let address = tls.address(None);
    let follow_up = super::in_thread(&address, summary(), &first.id);
    let outcome = Endpoint::new(&tls).unwrap().send(&tried(&follow_up, 1), clock::now()).await;
    assert_said(&outcome, "delivered", "smtp_2xx");
    let answer = postfix.next();
    assert_eq!(header(&answer, "In-Reply-To"), header(&mail, "Message-ID"));
    assert_eq!(header(&answer, "References"), header(&mail, "Message-ID"));
    assert_eq!(header(&answer, "Subject"), format!("Re: {subject}"));
    assert!(answer["text"].as_str().unwrap().contains("CRITICAL, 14 times in 12 min 5 s\n"), "{answer}");

    // Hostile text stays text on its way through a real server and back.
    let text = "eve\r\nBcc: victim@example.net\r\n\r\n<script>alert(1)</script>";
    assert_said(&send(&tls, hostile(text)).await, "delivered", "smtp_2xx");
    let mail = postfix.next();
    assert_harmless(mail["text"].as_str().unwrap());
    assert_eq!(mail["defects"], json!([]));
    assert!(!names(&mail).contains("Bcc") && !mail["html"].as_str().unwrap().contains("<script"), "{mail}");

    // It knows who may send and whom it keeps mail for.
    let stranger = mail_to(postfix.starttls, email::Tls::Starttls, Some(("bell", "wrong")), Some(&postfix.ca()));
    assert_said(&send(&stranger, opened()).await, "paused", "smtp_auth");
    let one_gone = changed(tls, |email| email.to[1] = "gone@example.org".into());
    let outcome = send(&one_gone, opened()).await;
    assert_said(&outcome, "delivered", "smtp_2xx");
    assert!(
        outcome.reason().contains("1 of 2 recipients refused (gone@example.org: the server answered 550"),
        "{outcome:?}"
    );
    postfix.next();
    let all_gone = changed(one_gone, |email| email.to = vec!["gone@example.org".into()]);
    assert_said(&send(&all_gone, opened()).await, "refused", "smtp_5xx");
}

#[tokio::test]
async fn a_token_is_a_login_too() {
    let mut inbox = Inbox::start("starttls", "bell:token-1", "");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "token-1\n").unwrap();
    let settings = changed(mail_to(inbox.port, email::Tls::Starttls, None, Some(&inbox.ca())), |email| {
        email.username = Some("bell".into());
        email.oauth2_token = Some(email::Token::File(path.clone()));
    });
    let delivery = delivery(&settings.address(None), opened());
    let endpoint = Endpoint::new(&settings).unwrap();
    assert_said(&endpoint.send(&tried(&delivery, 1), clock::now()).await, "delivered", "smtp_2xx");
    assert_eq!(inbox.next()["logged_in"], true);

    // The next login reads the file again.
    std::fs::write(&path, "SECRET-2\n").unwrap();
    let outcome = endpoint.send(&tried(&delivery, 1), clock::plus(clock::now(), Duration::from_secs(60))).await;
    assert_said(&outcome, "paused", "smtp_auth");
    let shown = format!("{outcome:?}");
    assert!(shown.contains("smtp.oauth2_token") && shown.contains("401") && !shown.contains("SECRET"), "{shown}");
    std::fs::remove_file(&path).unwrap();
    let outcome = Endpoint::new(&settings).unwrap().send(&tried(&delivery, 1), clock::now()).await;
    assert_said(&outcome, "retry", "smtp_auth");

    // No XOAUTH2 on offer.
    let plain = Inbox::start("plain", "", "");
    let settings = changed(mail_to(plain.port, email::Tls::None, None, None), |email| {
        email.username = Some("bell".into());
        email.oauth2_token = Some(email::Token::Fixed(Secret::new("SECRET")));
    });
    assert_said(&send(&settings, opened()).await, "paused", "smtp_auth");
}

#[tokio::test]
async fn what_the_server_says_to_sender_and_recipients_decides() {
    let mut inbox = Inbox::start("plain", "", "");
    let with = |from: &str, to: &[&str]| {
        changed(mail_to(inbox.port, email::Tls::None, None, None), |email| {
            email.from = from.into();
            email.to = to.iter().map(|&to| to.to_owned()).collect();
        })
    };
    let bell = "bell@example.org";
    let cases = [
        (with("550@example.org", &["ops@example.org"]), "paused", "smtp_5xx"),
        (with("451@example.org", &["ops@example.org"]), "retry", "smtp_4xx"),
        (with(bell, &["451@example.org"]), "retry", "smtp_4xx"),
        (with(bell, &["ops@example.org", "421@example.org"]), "retry", "smtp_4xx"),
        (with(bell, &["530@example.org", "ops@example.org"]), "paused", "smtp_auth"),
        (with(bell, &["550@example.org", "551@example.org"]), "refused", "smtp_5xx"),
    ];
    for (settings, said, class) in cases {
        assert_said(&send(&settings, opened()).await, said, class);
    }

    // One that is put off holds the others back a while, not for ever.
    let settings = with(bell, &["ops@example.org", "452@example.org"]);
    let (delivery, now) = (delivery(&settings.address(None), opened()), clock::now());
    let endpoint = Endpoint::new(&settings).unwrap();
    let after = |minutes: u64| clock::plus(now, Duration::from_secs(minutes * 60));
    assert_said(&endpoint.send(&tried(&delivery, 1), now).await, "retry", "smtp_4xx");
    assert_said(&endpoint.send(&tried(&delivery, 2), after(10)).await, "retry", "smtp_4xx");
    let outcome = endpoint.send(&tried(&delivery, 3), after(20)).await;
    assert_said(&outcome, "delivered", "smtp_2xx");
    assert!(outcome.reason().contains("452@example.org: the server answered 452"), "{outcome:?}");
    assert_eq!(inbox.next()["to"], json!(["ops@example.org"]));
}

/// A relay in the clear that answers each line of ours with the next of its own; one without an end goes on for ever.
async fn relay(says: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        for said in says {
            let _ = stream.write_all(said.as_bytes()).await;
            if !said.contains("\r\n") {
                while stream.write_all(said.repeat(4096).as_bytes()).await.is_ok() {}
            }
            let _ = stream.read(&mut buffer).await;
        }
    });
    port
}

#[tokio::test]
async fn nobody_writes_into_the_connection_before_it_is_encrypted() {
    let cases: [(&'static [&'static str], _, _, _); 6] = [
        // What was injected would be read as the answer to our next EHLO.
        (
            &["220 hi\r\n", "250-relay\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"],
            email::Tls::Starttls,
            "paused",
            "smtp_starttls",
        ),
        (
            &["220 hi\r\n", "250-relay\r\n250 STARTTLS\r\n", "454 not now\r\n"],
            email::Tls::Starttls,
            "retry",
            "smtp_4xx",
        ),
        (
            &["220 hi\r\n", "250-relay\r\n250 STARTTLS\r\n", "501 no\r\n"],
            email::Tls::Starttls,
            "paused",
            "smtp_starttls",
        ),
        // Somebody took the offer out.
        (&["220 hi\r\n", "250 relay\r\n"], email::Tls::Starttls, "paused", "smtp_starttls"),
        (&["554 go away\r\n"], email::Tls::None, "paused", "smtp_5xx"),
        // A line without an end.
        (&["x"], email::Tls::None, "retry", "connect"),
    ];
    for (says, tls, said, class) in cases {
        let port = relay(says).await;
        let outcome = send(&mail_to(port, tls, None, None), opened()).await;
        assert_said(&outcome, said, class);
    }
}

#[tokio::test]
async fn mail_goes_only_where_it_may() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = |host: &str| {
        let port = listener.local_addr().unwrap().port();
        let mut settings = changed(mail_to(port, email::Tls::None, None, None), |email| email.host = host.to_owned());
        settings.outbound = Outbound::default().into();
        settings
    };
    for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "169.254.169.254"] {
        let refused = Endpoint::new(&to(host)).err().expect("it can never work").reason;
        assert!(refused.contains("which is not allowed"), "{host}: {refused}");
    }
    // A name tells where it leads only when it is looked up.
    let outcome = send(&to("localhost."), opened()).await;
    assert!(matches!(tracebell::endpoint::answer::class(&outcome).as_str(), "forbidden" | "dns"), "{outcome:?}");
    let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(nobody.is_err(), "somebody connected");
}

#[test]
fn every_mail_is_small_and_passes_where_only_seven_bits_do() {
    for sample in samples() {
        let mail = delivery(&Address::plain(letterhead()), sample).body;
        assert!(mail.len() < 256 * 1024, "{}", mail.len());
        assert!(mail.is_ascii());
        assert!(mail.split(|byte| *byte == b'\n').all(|line| line.len() <= 998));
    }
}

#[test]
fn a_conversation_keeps_its_subject() {
    let address = Address::plain(letterhead());
    let subject = |notification: Notification, thread: &str| {
        let mail = super::in_thread(&address, notification, thread).body;
        MessageParser::default().parse(&mail).unwrap().subject().unwrap().to_owned()
    };
    let first = subject(opened(), "");
    assert_eq!(subject(summary(), "msg_first"), format!("Re: {first}"));
    let long = subject(Notification { title: "x".repeat(500), ..summary() }, "msg_first");
    assert!(long.chars().count() <= 200 && long.starts_with("Re: [critical] xxx"), "{long}");
    let worse = Notification { kind: Kind::Escalated, ..super::escalated() };
    assert_eq!(subject(worse, "msg_first"), "Re: [critical, was medium] alice scheduled deletion of key prod-db");
}

#[test]
fn a_digest_is_drawn_with_table_cells() {
    let mail = delivery(&Address::plain(letterhead()), digest()).body;
    let mail = MessageParser::default().parse(&mail).unwrap();
    let html = mail.body_html(0).unwrap().into_owned();
    let heights: Vec<u64> = html
        .split("<div style=\"height:")
        .skip(1)
        .map(|rest| rest.split("px").next().unwrap().parse().unwrap())
        .collect();
    assert_eq!((heights.len(), heights.iter().max(), heights[0]), (24, Some(&72), 1));
    assert!(!html.contains("<svg") && !html.contains("<img"), "{html}");
    let text = mail.body_text(0).unwrap().into_owned();
    assert!(text.contains("Wed 14 Jan, 06:30 ·▁▂▅█▄▂▁▃▃▁▁·") && text.contains("at most 14"), "{text}");
    let mail = delivery(&Address::plain(letterhead()), group()).body;
    let mail = MessageParser::default().parse(&mail).unwrap();
    for told in ["14 alerts and repeats in 6 min, 3 of them failed", "6 × IAM", "5 × prod-db", "+8 more"] {
        assert!(mail.body_text(0).unwrap().contains(told), "{told}");
    }
}

/// Each sample as a page of 400 pixels, which tells how wide its content came out.
#[test]
fn no_mail_is_wider_than_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    // `TRACEBELL_MAILS=FOLDER` keeps the pages, to look at them.
    let kept = std::env::var_os("TRACEBELL_MAILS").map(PathBuf::from);
    let mut frames = String::new();
    let count = samples().len();
    for (at, sample) in samples().into_iter().enumerate() {
        let mail = delivery(&address_of_berlin(), sample).body;
        let html = MessageParser::default().parse(&mail).unwrap().body_html(0).unwrap().into_owned();
        if let Some(folder) = &kept {
            std::fs::write(folder.join(format!("{at:02}.html")), &html).unwrap();
        }
        let source = html.replace('&', "&amp;").replace('"', "&quot;");
        frames += &format!("<iframe srcdoc=\"{source}\" style=\"width:400px;height:900px;border:0\"></iframe>\n");
    }
    let script = "onload = () => { document.title = [...document.querySelectorAll('iframe')].map(frame => \
                  frame.contentDocument.documentElement.scrollWidth + '/' + \
                  frame.contentDocument.querySelector('h1').innerText.length).join(' ') }";
    let page = folder.path().join("page.html");
    std::fs::write(&page, format!("<!doctype html><title></title><script>{script}</script>{frames}")).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("tests/run installs chromium");
    let dom = String::from_utf8_lossy(&output.stdout);
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
    let found: Vec<(u32, u32)> = title
        .split_whitespace()
        .map(|pair| pair.split_once('/').map(|(wide, long)| (wide.parse().unwrap(), long.parse().unwrap())).unwrap())
        .collect();
    assert_eq!(found.len(), count, "{}", String::from_utf8_lossy(&output.stderr));
    for (at, (width, sentence)) in found.into_iter().enumerate() {
        // Beside a scroll bar, where the page is long.
        assert!(width <= 400, "sample {at} is {width} wide");
        assert!(sentence > 3, "sample {at} has no sentence");
    }
}

fn address_of_berlin() -> Address {
    let links = tracebell::render::Links::new("https://bell.example.org", Secret::new("k"));
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    Address { zone, links: Some(links), ..Address::plain(letterhead()) }
}
