//! As much of SMTP as a mail relay on the same machine needs (RFC 5321, section 4.5.1).

use std::io;

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc,
};

use super::{Received, Shelf};
use crate::clock;

/// Longest command or text line taken, in bytes.
const LINE: u64 = 64 * 1024;
/// Longest message taken, in bytes.
const MESSAGE: usize = 8 * 1024 * 1024;

/// Talks to one client until it quits or breaks off.
pub async fn session<S: AsyncRead + AsyncWrite + Unpin>(stream: S, sender: mpsc::Sender<Received>, shelf: Shelf) {
    // A client that breaks off is its own affair.
    let _ = talk(BufReader::new(stream), sender, shelf).await;
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    sender: mpsc::Sender<Received>,
    shelf: Shelf,
) -> io::Result<()> {
    say(&mut stream, "220 inbox ready").await?;
    let (mut from, mut to) = (String::new(), Vec::new());
    while let Some(line) = read_line(&mut stream).await? {
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        let verb = text.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => say(&mut stream, "250-inbox\r\n250-8BITMIME\r\n250 SMTPUTF8").await?,
            "HELO" => say(&mut stream, "250 inbox").await?,
            "MAIL" => {
                from = address(&text);
                to.clear();
                say(&mut stream, "250 ok").await?;
            }
            "RCPT" => {
                to.push(address(&text));
                say(&mut stream, "250 ok").await?;
            }
            "DATA" if to.is_empty() => say(&mut stream, "503 no recipient").await?,
            "DATA" => {
                say(&mut stream, "354 end with a dot").await?;
                let Some(message) = read_message(&mut stream).await? else { return Ok(()) };
                let received = Received::Mail { from: std::mem::take(&mut from), to: std::mem::take(&mut to), message };
                shelf.put(received.clone(), clock::now(), |_| false);
                // Nobody reading any more is no reason to refuse.
                let _ = sender.send(received).await;
                say(&mut stream, "250 taken").await?;
            }
            "RSET" => {
                to.clear();
                say(&mut stream, "250 ok").await?;
            }
            "NOOP" => say(&mut stream, "250 ok").await?,
            "QUIT" => return say(&mut stream, "221 bye").await,
            _ => say(&mut stream, "502 not implemented").await?,
        }
    }
    Ok(())
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await?;
    stream.flush().await
}

/// One line without its end, `None` at the end of the stream.
async fn read_line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    stream.take(LINE).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(line))
}

/// The text up to the lone dot, dots unstuffed; `None` if the client broke off.
async fn read_message<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    while let Some(line) = read_line(stream).await? {
        if line == b"." {
            return Ok(Some(message));
        }
        if message.len() > MESSAGE {
            return Ok(None);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        message.extend_from_slice(b"\r\n");
    }
    Ok(None)
}

/// `MAIL FROM:<a@b> SIZE=1` names `a@b`.
fn address(text: &str) -> String {
    let inside = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(address, _)| address.to_owned())
}
