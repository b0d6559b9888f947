//! A bucket of an S3 server: listed and read, never written.
//!
//! Requests are signed by `rusty-s3` and sent by the client that everything of the cloud is asked with.

use std::time::Duration;

use quick_xml::{Reader, events::Event};
use reqwest::Client;
use rusty_s3::{Bucket as Place, Credentials, S3Action, UrlStyle, actions::GetObject};

use super::{Settings, Style};
use crate::{
    backoff,
    clock::{self, Timestamp},
    cloud::http::{self, Answer},
    source::SourceError,
};

/// Answers are asked for so often, with pauses, before it is said that there is none.
const ATTEMPTS: u32 = 6;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A signature is good for so long from the moment it is made.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// For one file: its length is not known beforehand.
const FILE_TIMEOUT: Duration = Duration::from_secs(600);
/// Pages of one list, a thousand keys each: the tracker fills some twenty in a day.
const MOST_PAGES: usize = 1000;
/// Codes, and what a server says in its own words, are cut to this.
const WORDS: usize = 200;

/// A bucket, and the key to ask with.
pub struct Bucket {
    client: Client,
    settings: Settings,
    place: Place,
    credentials: Credentials,
}

/// What a list says of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    pub key: String,
    pub size: u64,
    /// The MD5 of what was uploaded in one piece, in hexadecimal digits.
    pub etag: String,
}

/// An object as it is stored.
pub struct Stored {
    pub body: Vec<u8>,
    /// `meta-signature` of digests.
    pub signature: Option<String>,
}

/// One page of a list.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    objects: Vec<Object>,
    folders: Vec<String>,
    truncated: bool,
    next: Option<String>,
}

impl Bucket {
    pub fn new(settings: Settings) -> Result<Self, SourceError> {
        let style = match settings.style {
            Style::Path => UrlStyle::Path,
            Style::Host => UrlStyle::VirtualHost,
        };
        let (name, region) = (settings.bucket.clone(), settings.region.clone());
        let place = Place::new(settings.endpoint.clone(), style, name, region).map_err(|error| {
            let endpoint = &settings.endpoint;
            SourceError::Refused {
                reason: format!("bucket `{}` cannot be addressed at `{endpoint}`: {error}", settings.bucket),
                fix: "correct `bucket` or `endpoint`, or set `path_style: true`".to_owned(),
            }
        })?;
        let key = &settings.key;
        let (access, secret) = (key.access.clone(), key.secret.expose().to_owned());
        let credentials = match &key.security_token {
            Some(token) => Credentials::new_with_token(access, secret, token.expose()),
            None => Credentials::new(access, secret),
        };
        let ca = settings.ca.as_deref().map(http::Pem::read).transpose()?;
        let client = http::client_as_stored(ca.as_ref(), settings.proxy.as_ref())?;
        Ok(Self { client, settings, place, credentials })
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All objects whose keys begin so.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Object>, SourceError> {
        let (mut objects, mut after): (_, Option<String>) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = self.page(prefix, None, after.as_deref()).await?;
            let last = page.objects.last().map(|object| object.key.clone());
            objects.extend(page.objects);
            if !page.truncated {
                return Ok(objects);
            }
            after = Some(self.further(page.next.or(last), after.as_ref())?);
        }
        Err(self.endless(prefix))
    }

    /// The folders right below a prefix, as whole prefixes.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, SourceError> {
        let (mut folders, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = self.page(prefix, Some("/"), after.as_deref()).await?;
            folders.extend(page.folders);
            if !page.truncated {
                return Ok(folders);
            }
            after = Some(self.further(page.next.or_else(|| folders.last().cloned()), after.as_ref())?);
        }
        Err(self.endless(prefix))
    }

    fn endless(&self, prefix: &str) -> SourceError {
        SourceError::Refused {
            reason: format!("{} lists more than {} keys under `{prefix}`", self.host(), MOST_PAGES * 1000),
            fix:
                "check `endpoint`, or whether something else writes there: a tracker delivers some thousand files a day"
                    .to_owned(),
        }
    }

    /// Where the next page begins. A server that does not get on would be asked for ever, and half of a list must
    /// not pass for all of it.
    fn further(&self, next: Option<String>, after: Option<&String>) -> Result<String, SourceError> {
        next.filter(|next| Some(next) > after).ok_or_else(|| SourceError::Refused {
            reason: format!("{} says that there is more and does not tell where", self.host()),
            fix: "check `endpoint`: its list of a bucket has neither a marker that goes on nor an end".to_owned(),
        })
    }

    /// One object; `None` if there is none under the key.
    pub async fn get(&self, key: &str) -> Result<Option<Stored>, SourceError> {
        let mut action = GetObject::new(&self.place, Some(&self.credentials), key);
        let Some(answer) = self.ask(&mut action, Doing::Get).await? else { return Ok(None) };
        let text = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let signature = ["x-amz-meta-meta-signature", "x-obs-meta-meta-signature", "x-amz-meta-signature"]
            .iter()
            .find_map(|name| text(name));
        Ok(Some(Stored { body: answer.body, signature }))
    }

    /// The first form of the list request: every S3 server has it, and OBS documents no other.
    async fn page(&self, prefix: &str, delimiter: Option<&str>, after: Option<&str>) -> Result<Page, SourceError> {
        // A request for the object without a name is one for the bucket itself.
        let mut action = GetObject::new(&self.place, Some(&self.credentials), "");
        let query = action.query_mut();
        query.insert("prefix", prefix);
        query.insert("max-keys", "1000");
        delimiter.into_iter().for_each(|delimiter| query.insert("delimiter", delimiter));
        after.into_iter().for_each(|after| query.insert("marker", after));
        let refused = |what: &str| SourceError::Refused {
            reason: format!("{} {what}", self.host()),
            fix: "check `endpoint`: it has to be the S3 address of the region, without the bucket".to_owned(),
        };
        let answer = self.ask(&mut action, Doing::List).await?.ok_or_else(|| refused("knows no list of a bucket"))?;
        page(&answer.body).ok_or_else(|| refused("answered with something that is no list of a bucket"))
    }

    /// Asks until there is an answer that says something; `None` says that there is no such object.
    async fn ask<'a>(&self, action: &mut impl S3Action<'a>, doing: Doing) -> Result<Option<Answer>, SourceError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let now = clock::now();
            let url = action.sign_with_time(SIGNED_FOR, &now);
            let request = self.client.get(url).timeout(FILE_TIMEOUT);
            let error = match http::send(request, &self.host()).await {
                Ok(answer) if answer.status.is_success() => return Ok(Some(answer)),
                Ok(answer) if answer.is_transient() => answer.transient(&self.host(), now).into(),
                Ok(answer) if doing == Doing::Get && code(&answer).as_deref() == Some("NoSuchKey") => return Ok(None),
                Ok(answer) => return Err(self.refusal(&answer, doing, now)),
                Err(error) => SourceError::from(error),
            };
            let SourceError::Transient { retry_after, .. } = &error else { return Err(error) };
            if attempt == ATTEMPTS {
                return Err(error);
            }
            let spread = backoff::full_jitter(
                Duration::from_secs(1),
                LONGEST_PAUSE,
                attempt,
                &[&self.settings.bucket, &now.to_string()],
            );
            let pause = (Duration::from_millis(300) + spread).max(retry_after.unwrap_or_default());
            clock::sleep(pause.min(LONGEST_PAUSE)).await;
        }
    }

    fn host(&self) -> String {
        format!("the archive at {}", self.settings.endpoint.host_str().unwrap_or_default())
    }

    /// What a person has to mend.
    fn refusal(&self, answer: &Answer, doing: Doing, now: Timestamp) -> SourceError {
        let (host, bucket, region) = (self.host(), &self.settings.bucket, &self.settings.region);
        let access = &self.settings.key.access;
        let (reason, fix) = match code(answer).as_deref() {
            Some("NoSuchBucket") => (
                format!("{host} has no bucket `{bucket}`"),
                "correct `bucket`, or `region` if it is in another; `tracebell tracker show` names the tracker's bucket"
                    .to_owned(),
            ),
            // A signature that is over, or of tomorrow, may be called no more than forbidden.
            code if matches!(code, Some("RequestTimeTooSkewed" | "RequestExpired"))
                || answer.status.as_u16() == 403
                    && answer.clock_offset(now).is_some_and(|offset| offset.unsigned_abs() >= SIGNED_FOR) =>
            {
                let offset = answer.clock_offset(now).map(|offset| offset.unsigned_abs());
                let by = offset.map(|by| format!(" by {}", clock::in_words(by))).unwrap_or_default();
                (format!("{host} says that this machine's clock is wrong{by}"), "set the clock (NTP)".to_owned())
            }
            Some("AccessDenied" | "AllAccessDisabled") | None if answer.status.as_u16() == 403 => {
                let (may, permission) = match doing {
                    Doing::List => ("list the bucket", "obs:bucket:ListBucket"),
                    Doing::Get => ("read objects of the bucket", "obs:object:GetObject"),
                };
                (
                    format!("{host} does not let access key `{access}` {may} `{bucket}`"),
                    format!("allow its user `{permission}`, in a policy of IAM or of the bucket"),
                )
            }
            Some("InvalidAccessKeyId") => (
                format!("{host} does not know access key `{access}`"),
                "correct `access_key`; one that was made minutes ago may not be known everywhere yet".to_owned(),
            ),
            Some("SignatureDoesNotMatch") => (
                format!("{host} finds the signature of access key `{access}` wrong"),
                "correct `secret_key`, and `region` if it is another".to_owned(),
            ),
            Some("InvalidToken" | "ExpiredToken" | "InvalidSecurityToken" | "InvalidSecurity") => (
                format!("{host} does not take the security token of access key `{access}`"),
                "give a new `access_key`, `secret_key` and `security_token` together: such keys end with their token".to_owned(),
            ),
            Some(
                "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"
                | "AuthorizationQueryParametersError",
            ) => wrong_region(&host, bucket, region),
            _ if answer.status.is_redirection() => wrong_region(&host, bucket, region),
            _ => (
                format!("{host} answered {}{}", answer.status.as_u16(), words(answer)),
                "check `endpoint`, `region` and `bucket`".to_owned(),
            ),
        };
        SourceError::Refused { reason, fix }
    }
}

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    List,
    Get,
}

fn wrong_region(host: &str, bucket: &str, region: &str) -> (String, String) {
    (
        format!("{host} says that bucket `{bucket}` is not in region `{region}`"),
        "set `region` (and `endpoint`, if it is given) to the bucket's own; the console shows it".to_owned(),
    )
}

fn code(answer: &Answer) -> Option<String> {
    element(&answer.body, "Code")
}

fn words(answer: &Answer) -> String {
    let part = |name| {
        element(&answer.body, name).map(|text| text.chars().filter(|c| !c.is_control()).take(WORDS).collect::<String>())
    };
    match (part("Code"), part("Message")) {
        (Some(code), Some(message)) => format!(" {code}: {message}"),
        (one, other) => one.or(other).map(|text| format!(" {text}")).unwrap_or_default(),
    }
}

/// The text of the first element of that name, wherever it is.
fn element(body: &[u8], wanted: &str) -> Option<String> {
    let mut found = None;
    elements(body, &mut |path, text| {
        if found.is_none() && path.last().is_some_and(|name| name == wanted) {
            found = Some(text.to_owned());
        }
    })?;
    found
}

/// Names count, whatever the namespace: each maker of servers has its own.
fn page(body: &[u8]) -> Option<Page> {
    let mut page = Page::default();
    elements(body, &mut |path, text| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path[..] {
            [_, "IsTruncated"] => page.truncated = text == "true",
            [_, "NextMarker"] if !text.is_empty() => page.next = Some(text.to_owned()),
            [_, "Contents", "Key"] => page.objects.push(Object { key: text.to_owned(), ..Object::default() }),
            [_, "Contents", "Size"] => last(&mut page).size = text.parse().unwrap_or(0),
            [_, "Contents", "ETag"] => last(&mut page).etag = text.trim_matches('"').to_ascii_lowercase(),
            [_, "CommonPrefixes", "Prefix"] => page.folders.push(text.to_owned()),
            _ => {}
        }
    })
    .filter(|root| root == "ListBucketResult")?;
    page.objects.retain(|object| !object.key.is_empty());
    Some(page)
}

/// The key comes first in each entry; what comes before one is nobody's.
fn last(page: &mut Page) -> &mut Object {
    if page.objects.is_empty() {
        page.objects.push(Object::default());
    }
    page.objects.last_mut().expect("one was put there")
}

/// Hands out each element without others inside, with the names of those around it; returns the name of the
/// outermost. `None` if it is no XML.
fn elements(body: &[u8], each: &mut dyn FnMut(&[String], &str)) -> Option<String> {
    let mut reader = Reader::from_reader(body);
    let (mut path, mut text, mut root): (Vec<String>, String, Option<String>) = (Vec::new(), String::new(), None);
    let mut inner = false;
    let name = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                let name = name(start.local_name().as_ref());
                root.get_or_insert_with(|| name.clone());
                path.push(name);
                text.clear();
                inner = true;
            }
            Event::Empty(empty) => {
                root.get_or_insert_with(|| name(empty.local_name().as_ref()));
            }
            Event::Text(part) => text.push_str(&part.decode().ok()?),
            Event::CData(part) => text.push_str(&String::from_utf8_lossy(&part)),
            Event::GeneralRef(part) => {
                let entity = part.decode().ok()?;
                text.push_str(&quick_xml::escape::unescape(&format!("&{entity};")).ok()?);
            }
            Event::End(_) => {
                if inner {
                    each(&path, &text);
                }
                inner = false;
                path.pop();
            }
            Event::Eof => return root.filter(|_| path.is_empty()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whoever_wrote_it() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://obs.example.org/doc/2015-06-30/">
 <Name>b</Name><Prefix>a/</Prefix><Marker/><IsTruncated>true</IsTruncated><NextMarker>a/c&amp;d</NextMarker>
 <Contents><Key>a/b&lt;&#x41;</Key><LastModified>2026-01-15T08:00:00.000Z</LastModified><ETag>"AB12"</ETag><Size>12</Size></Contents>
 <Contents><Key>a/c&amp;d</Key><ETag>&quot;cd&quot;</ETag><Size>3</Size><Owner><ID>x</ID></Owner></Contents>
 <CommonPrefixes><Prefix>a/e/</Prefix></CommonPrefixes>
</ListBucketResult>"#;
        let object = |key: &str, etag: &str, size| Object { key: key.into(), etag: etag.into(), size };
        let objects = vec![object("a/b<A", "ab12", 12), object("a/c&d", "cd", 3)];
        let expected = Page { objects, folders: vec!["a/e/".into()], truncated: true, next: Some("a/c&d".into()) };
        assert_eq!(page(text.as_bytes()), Some(expected));
        assert_eq!(page(b"<ListBucketResult/>"), Some(Page::default()));
    }

    #[test]
    fn what_is_no_list_is_none() {
        let texts = ["", "hello", "{}", "<html><body>Login</body></html>", "<ListBucketResult><Contents>", "<Error/>"];
        for text in texts {
            assert_eq!(page(text.as_bytes()), None, "{text}");
        }
    }
}
