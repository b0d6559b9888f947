//! The connection to a relay, as long as it is in the clear.
//!
//! Knows one rule of SMTP: after `STARTTLS` the relay answers once and then waits for us. Whatever
//! comes with that answer was put there by somebody else, to be read as the relay's own word once the
//! connection is encrypted, so the connection ends there. And a relay that talks without end is cut off.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    phase: Phase,
    /// Bytes that came since we last said something.
    heard: usize,
}

/// What may come next.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Replies,
    /// Of the answer to `STARTTLS`, the line that came so far.
    StarttlsReply(Vec<u8>),
    /// Not ours to read.
    Encrypted,
}

/// The reason that the error of a connection carries if somebody wrote into it.
pub const INJECTED: &str = "more than the answer to STARTTLS came before the encryption";

// A chain of certificates is the longest thing a relay says at once.
const AT_ONCE: usize = 256 * 1024;

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, phase: Phase::Replies, heard: 0 }
    }
}

impl Phase {
    fn said(&mut self, line: &[u8]) {
        if *self == Self::Replies && line.eq_ignore_ascii_case(b"STARTTLS\r\n") {
            *self = Self::StarttlsReply(Vec::new());
        }
    }

    fn heard(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let Self::StarttlsReply(line) = self else { return Ok(()) };
        for (at, byte) in bytes.iter().enumerate() {
            line.push(*byte);
            if *byte == b'\n' {
                // `220-` goes on, `220 ` ends it.
                if line.get(3) == Some(&b'-') {
                    line.clear();
                } else {
                    *self = Self::Encrypted;
                    return if at + 1 == bytes.len() { Ok(()) } else { Err(INJECTED) };
                }
            }
        }
        Ok(())
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = &buf.filled()[before..];
        self.heard += bytes.len();
        if self.heard > AT_ONCE {
            return Poll::Ready(Err(io::Error::other("the server talks without end")));
        }
        self.phase.heard(bytes).map_err(io::Error::other)?;
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.heard = 0;
        self.phase.said(buf);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, heard: &[&str], injected: bool) {
        let mut phase = Phase::Replies;
        phase.said(said.as_bytes());
        let found = heard.iter().any(|bytes| phase.heard(bytes.as_bytes()).is_err());
        assert_eq!(found, injected);
    }

    #[test]
    fn nothing_may_follow_the_answer_to_starttls() {
        check("STARTTLS\r\n", &["220 go\r\n", "\u{16}\u{3}"], false);
        check("STARTTLS\r\n", &["22", "0 go\r", "\n", "\u{16}"], false);
        check("STARTTLS\r\n", &["220-well\r\n220 go\r\n"], false);
        check("STARTTLS\r\n", &["220 go\r\n250-relay\r\n250 AUTH PLAIN\r\n"], true);
        check("starttls\r\n", &["220 g", "o\r\n2"], true);
        check("STARTTLS\r\n", &["220-well\r\n220 go\r\n250 x\r\n"], true);
        // Relays may answer several commands at once elsewhere.
        check("EHLO x\r\n", &["250-a\r\n250 b\r\n250 c\r\n"], false);
    }
}
