//! Traces from a file: whatever the cloud, the archive or `tracebell traces list` wrote.
//!
//! Takes one record a line, one list, answers of the trace list, and any of them
//! compressed. Splits records without looking into them; [`shelf`](super::shelf) puts them in order.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use serde_json::value::RawValue;

use crate::{
    clock::Timestamp,
    trace::{
        Trace,
        decode::{self, Context, Undecodable},
    },
};

/// No single record or document is longer; larger files hold one record a line.
const DOCUMENT_LIMIT: u64 = 256 * 1024 * 1024;
const BUFFER: usize = 256 * 1024;

/// Opens a file, or standard input for `-`; what is compressed with gzip comes out plain.
/// `progress` is told how many bytes of the file were read.
pub fn open(path: &Path, progress: impl Fn(u64) + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let raw: Box<dyn Read + Send> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(fs::File::open(path)?) };
    let raw = BufReader::with_capacity(BUFFER, Counted { inner: raw, read: 0, progress });
    // Told from the bytes, since standard input has no name.
    unpacked(raw)
}

/// What is compressed with gzip, plain; anything else as it is.
pub fn unpacked<'a>(mut raw: impl BufRead + Send + 'a) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    if raw.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(raw))));
    }
    Ok(Box::new(raw))
}

/// Like [`unpacked`]; an error if more than so many bytes come out.
pub fn unpacked_within<'a>(raw: impl BufRead + Send + 'a, limit: u64) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    let inner = unpacked(raw)?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, Within { inner, limit, left: limit })))
}

/// Hands the JSON text of each record to `each`.
pub fn records(mut from: impl BufRead, each: &mut dyn FnMut(&str)) -> io::Result<()> {
    let mut line = Vec::with_capacity(4096);
    let mut first = true;
    while (&mut from).take(DOCUMENT_LIMIT).read_until(b'\n', &mut line)? > 0 {
        let text = decode::readable(&line);
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.is_empty() {
            let whole = !first || serde_json::from_str::<&RawValue>(text).is_ok();
            if !whole && text.starts_with(['{', '[']) {
                return document(line, from, each);
            }
            first = false;
            split(text, each);
        }
        line.clear();
    }
    Ok(())
}

/// A record of any of the shapes a file may hold.
pub fn decode(raw: &str, context: &Context, now: Timestamp) -> Result<Trace, Undecodable> {
    decode::decode(raw, context, now).or_else(|error| {
        // What `tracebell traces list --output json` writes is decoded already.
        serde_json::from_str::<Trace>(raw).map_err(|_| error)
    })
}

/// JSON over several lines: values one after the other.
fn document(begun: Vec<u8>, from: impl Read, each: &mut dyn FnMut(&str)) -> io::Result<()> {
    let mut bytes = begun;
    let length = from.take(DOCUMENT_LIMIT).read_to_end(&mut bytes)?;
    if length as u64 >= DOCUMENT_LIMIT {
        let text = format!("one JSON value of more than {} MiB; write one record a line", DOCUMENT_LIMIT >> 20);
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let text = decode::readable(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        match value {
            Ok(value) => split(value.get(), each),
            Err(error) => {
                let text = format!("neither one JSON record a line nor a list of records: {error}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
    Ok(())
}

/// A list, an answer of the trace list, or one record.
fn split(text: &str, each: &mut dyn FnMut(&str)) {
    if text.starts_with('[')
        && let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text)
    {
        elements.iter().for_each(|element| each(element.get()));
    } else if text.contains("\"traces\"")
        && let Ok(page) = decode::page(text)
    {
        page.elements.iter().for_each(|element| each(element.get()));
    } else {
        each(text);
    }
}

struct Within<R> {
    inner: R,
    limit: u64,
    left: u64,
}

impl<R: Read> Read for Within<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte more than is left tells an end from a limit.
        let length = (&mut self.inner).take(self.left.saturating_add(1)).read(buffer)?;
        self.left = self.left.checked_sub(length as u64).ok_or_else(|| {
            let text = format!("it unpacks to more than {} MB", self.limit >> 20);
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        Ok(length)
    }
}

struct Counted<R, F> {
    inner: R,
    read: u64,
    progress: F,
}

impl<R: Read, F: Fn(u64)> Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read += length as u64;
        (self.progress)(self.read);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).expect("memory can be written");
        let packed = packed.finish().expect("memory can be written");
        for (name, bytes) in [("plain", text.as_bytes()), ("packed", &packed)] {
            let path = dir.path().join(name);
            fs::write(&path, bytes).expect("the folder can be written");
            let mut found = Vec::new();
            let opened = open(&path, |_| {}).expect("the file is there");
            records(opened, &mut |raw| found.push(raw.split_whitespace().collect::<String>())).expect("it is readable");
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn every_shape_gives_its_records() {
        check("{\"a\":1}\n\n{\"a\":2}", &["{\"a\":1}", "{\"a\":2}"]);
        check("\u{feff}{\"a\":1}\r\nnonsense\n{\"a\":2}\n", &["{\"a\":1}", "nonsense", "{\"a\":2}"]);
        check("[{\"a\":1},{\"a\":2}]", &["{\"a\":1}", "{\"a\":2}"]);
        check("[\n  {\n    \"a\": 1\n  },\n  {\"a\": 2}\n]\n", &["{\"a\":1}", "{\"a\":2}"]);
        check("{\"traces\":[{\"a\":1}],\"meta_data\":{}}\n{\"traces\":[{\"a\":2}]}\n", &["{\"a\":1}", "{\"a\":2}"]);
        check("{\n \"traces\": [\n {\"a\": 1}\n ]\n}", &["{\"a\":1}"]);
        check("{\n \"a\": 1\n}\n{\n \"a\": 2\n}", &["{\"a\":1}", "{\"a\":2}"]);
        check("", &[]);
    }

    #[test]
    fn what_unpacks_to_more_than_allowed_is_an_error() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&vec![b' '; 3 << 20]).expect("memory can be written");
        let packed = packed.finish().expect("memory can be written");
        let read = |limit| io::copy(&mut unpacked_within(&packed[..], limit).expect("it begins well"), &mut io::sink());
        assert_eq!(read(3 << 20).expect("it is no longer"), 3 << 20);
        let error = read((3 << 20) - 1).expect_err("it is longer");
        assert_eq!(error.to_string(), "it unpacks to more than 2 MB");
    }

    #[test]
    fn a_document_that_ends_too_soon_is_an_error() {
        let error = records(&b"[\n{\"a\": 1},\n"[..], &mut |_| {}).expect_err("it is cut off");
        assert!(error.to_string().contains("neither one JSON record a line"), "{error}");
    }

    #[test]
    fn what_traces_list_prints_is_read_back() {
        let trace = Trace { service: "KMS".to_owned(), ..Trace::blank("t-1", Timestamp::UNIX_EPOCH) };
        let raw = serde_json::to_string(&trace).expect("a trace can be written as JSON");
        assert_eq!(decode(&raw, &Context::default(), Timestamp::MAX), Ok(trace));
    }
}
