//! Many sources, few logins: what a thousand projects of one user ask of IAM.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod beside;
mod clouds;
pub mod proxy;
mod ways;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tracebell::{
    clock::{self, Timestamp},
    cloud::{
        CloudError,
        auth::{Credentials, Method, NameOrId, Session},
        catalogue::Catalogue,
    },
    secret::Secret,
};

/// What IAM saw, and how it is.
#[derive(Default)]
struct Iam {
    logins: usize,
    under_way: usize,
    most_under_way: usize,
    down: bool,
}

type Shared = Arc<Mutex<Iam>>;

/// Knows the password `pw` and every project but `nowhere`.
async fn start() -> (String, Shared) {
    let iam = Shared::default();
    let app = Router::new().route("/v3/auth/tokens", post(issue)).with_state(iam.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v3", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, iam)
}

async fn issue(State(iam): State<Shared>, body: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let (number, down) = {
        let mut iam = iam.lock().unwrap();
        iam.logins += 1;
        iam.under_way += 1;
        iam.most_under_way = iam.most_under_way.max(iam.under_way);
        (iam.logins, iam.down)
    };
    clock::sleep(Duration::from_millis(5)).await;
    iam.lock().unwrap().under_way -= 1;
    let project = &asked["auth"]["scope"]["project"]["name"];
    if down {
        return (StatusCode::SERVICE_UNAVAILABLE, "").into_response();
    }
    if asked["auth"]["identity"]["password"]["user"]["password"] != "pw" || project == "nowhere" {
        let error = json!({ "error": { "code": 401, "message": "wrong", "title": "Unauthorized" } });
        return (StatusCode::UNAUTHORIZED, error.to_string()).into_response();
    }
    let token = json!({ "token": { "project": { "id": project, "name": project }, "catalog": [],
        "issued_at": "2026-01-15T08:00:00Z", "expires_at": "2026-01-16T08:00:00Z" } });
    (StatusCode::CREATED, [("X-Subject-Token", format!("token-{number}"))], token.to_string()).into_response()
}

fn session(url: &str, password: &str, project: &str) -> Session<Catalogue> {
    let method = Method::Password {
        user: NameOrId::Name("alice".into()),
        domain: Some(NameOrId::Name("OTC1".into())),
        password: Secret::new(password),
    };
    let project = Some(NameOrId::Name(project.into()));
    let credentials = Credentials { project, ..Credentials::new(url, method) };
    Session::new(&credentials, |catalogue, _| Ok(catalogue.clone())).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_768_464_000 + seconds).unwrap()
}

/// All ask at once; how many got a token. The sessions live on.
async fn ask(sessions: Vec<Session<Catalogue>>, now: Timestamp) -> (usize, Vec<Session<Catalogue>>) {
    let mut asking = JoinSet::new();
    for mut session in sessions {
        asking.spawn(async move { (session.token(now).await.is_ok(), session) });
    }
    let answers = asking.join_all().await;
    (answers.iter().filter(|(good, _)| *good).count(), answers.into_iter().map(|(_, session)| session).collect())
}

fn sessions(url: &str, password: &str, count: usize, project: impl Fn(usize) -> String) -> Vec<Session<Catalogue>> {
    (0..count).map(|number| session(url, password, &project(number))).collect()
}

#[tokio::test]
async fn who_asks_for_the_same_project_shares_one_token() {
    let (url, iam) = start().await;
    let all = sessions(&url, "pw", 200, |_| "eu-de".to_owned());
    let (good, mut all) = ask(all, at(0)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (200, 1));
    // One service refuses it: whoever hears of that asks for one new token, for all.
    let old = all[0].token(at(1)).await.unwrap().proof.clone();
    all.iter_mut().for_each(|session| session.doubt(&old));
    let (good, all) = ask(all, at(2)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (200, 2));
    // And one when it is about to expire.
    let (good, all) = ask(all, at(24 * 3600 - 60)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (200, 3));
    drop(all);
    ask(sessions(&url, "pw", 1, |_| "eu-de".to_owned()), at(3)).await;
    assert_eq!(iam.lock().unwrap().logins, 4, "what nobody uses is not kept");
}

#[tokio::test]
async fn a_thousand_projects_log_in_a_few_at_a_time() {
    let (url, iam) = start().await;
    let (good, all) = ask(sessions(&url, "pw", 1000, |number| format!("eu-de_{number}")), at(0)).await;
    let most = iam.lock().unwrap().most_under_way;
    assert_eq!((good, iam.lock().unwrap().logins), (1000, 1000));
    assert!((2..=8).contains(&most), "{most} at once");
    let (good, _) = ask(all, at(60)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (1000, 1000));
}

#[tokio::test]
async fn a_wrong_password_is_asked_once_a_minute_whatever_the_number_of_projects() {
    let (url, iam) = start().await;
    let all = || sessions(&url, "wrong", 1000, |number| format!("eu-de_{number}"));
    let (good, kept) = ask(all(), at(0)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (0, 1));
    // Not by those who come later either, nor by sessions that are made anew.
    drop(kept);
    let (good, kept) = ask(all(), at(59)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (0, 1));
    let (good, _) = ask(kept, at(61)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (0, 2));
    // Another password is another matter.
    let (good, _) = ask(sessions(&url, "pw", 1, |_| "eu-de".to_owned()), at(62)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (1, 3));
}

#[tokio::test]
async fn one_project_that_is_none_does_not_keep_the_others_out() {
    let (url, iam) = start().await;
    let mut wrong = session(&url, "pw", "nowhere");
    let mut others = sessions(&url, "pw", 50, |number| format!("eu-de_{number}"));
    // First come, so the password seems wrong, for a minute.
    assert!(wrong.token(at(0)).await.is_err());
    let good;
    (good, others) = ask(others, at(30)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (0, 1));
    assert!(wrong.token(at(61)).await.is_err(), "the others first");
    assert_eq!(iam.lock().unwrap().logins, 1);
    let good;
    (good, others) = ask(others, at(62)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (50, 51));
    // Known to be right now: what is refused is the project.
    assert!(wrong.token(at(130)).await.is_err());
    assert_eq!(iam.lock().unwrap().logins, 52);
    others.push(session(&url, "pw", "eu-de_new"));
    let (good, _) = ask(others, at(131)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (51, 53));
}

#[tokio::test]
async fn an_iam_that_is_down_is_asked_by_a_few_for_all() {
    let (url, iam) = start().await;
    iam.lock().unwrap().down = true;
    let mut all = sessions(&url, "pw", 500, |number| format!("eu-de_{number}"));
    let first = all[0].token(at(0)).await.err().unwrap();
    assert!(matches!(first, CloudError::Transient { .. }), "{first}");
    let good;
    (good, all) = ask(all, at(1)).await;
    let logins = iam.lock().unwrap().logins;
    assert!(good == 0 && logins <= 10, "{logins} logins");
    iam.lock().unwrap().down = false;
    let (good, _) = ask(all, at(2)).await;
    assert_eq!((good, iam.lock().unwrap().logins), (500, logins + 500));
}

#[tokio::test]
async fn who_waited_with_an_earlier_time_does_not_ask_again() {
    let (url, iam) = start().await;
    let mut all = sessions(&url, "wrong", 50, |number| format!("eu-de_{number}"));
    // Each took its time before it waited for the one before it.
    for (number, session) in all.iter_mut().enumerate() {
        let now = at(30 - i64::try_from(number / 2).unwrap());
        assert!(session.token(now).await.is_err());
    }
    assert_eq!(iam.lock().unwrap().logins, 1);
    // Neither does the same one.
    assert!(all[0].token(at(0)).await.is_err());
    assert_eq!(iam.lock().unwrap().logins, 1);
}

#[tokio::test]
async fn a_token_that_is_good_still_outlives_an_iam_that_is_down() {
    let (url, iam) = start().await;
    let mut session = session(&url, "pw", "eu-de");
    assert!(session.token(at(0)).await.is_ok());
    iam.lock().unwrap().down = true;
    let (renewal, expiry) = (24 * 3600 - 1800, 24 * 3600);
    for second in [renewal + 1, renewal + 2, renewal + 59] {
        assert!(session.token(at(second)).await.is_ok(), "{second}");
    }
    assert_eq!(iam.lock().unwrap().logins, 2, "asked once a minute");
    assert!(session.token(at(renewal + 62)).await.is_ok());
    assert_eq!(iam.lock().unwrap().logins, 3);
    let error = session.token(at(expiry + 1)).await.err().unwrap();
    assert!(matches!(error, CloudError::Transient { .. }), "{error}");
    // What a service refused is not used again, whatever its time.
    iam.lock().unwrap().down = false;
    let proof = session.token(at(expiry + 2)).await.unwrap().proof.clone();
    iam.lock().unwrap().down = true;
    session.doubt(&proof);
    assert!(session.token(at(expiry + 3)).await.is_err());
    // Renewed as soon as IAM is back.
    iam.lock().unwrap().down = false;
    let logins = iam.lock().unwrap().logins;
    assert!(session.token(at(expiry + 4)).await.is_ok());
    assert_eq!(iam.lock().unwrap().logins, logins + 1);
}
