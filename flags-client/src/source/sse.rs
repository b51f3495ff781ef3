//! Server-sent events, as far as the protocol uses them: bytes in, items out, at any split.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits::MAX_EVENT_BYTES;

/// Something that a stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A comment: a heartbeat.
    Comment,
    /// How long to wait before the next connection.
    Retry(Duration),
    /// An event with data.
    Event(SseEvent),
}

/// An event. The data are bytes: whoever parses them checks that they are UTF-8.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// Empty for an event without a name.
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Vec<u8>,
}

/// An event of more than [`MAX_EVENT_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The beginning of a line that has not ended yet.
    line: Vec<u8>,
    event: SseEvent,
    has_data: bool,
    /// The last line ended with a carriage return: a line feed now belongs to it.
    after_return: bool,
    after_first_line: bool,
    items: VecDeque<Item>,
}

impl Parser {
    /// Reads further bytes; what they complete is [taken](Self::take) afterwards.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), TooLarge> {
        while let Some(end) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            let (part, rest) = bytes.split_at(end);
            let lone_feed = self.after_return && part.is_empty() && rest.starts_with(b"\n");
            self.after_return = rest.starts_with(b"\r");
            bytes = rest.get(1..).unwrap_or_default();
            if lone_feed {
                continue;
            }
            self.extend_line(part)?;
            let line = std::mem::take(&mut self.line);
            self.end_line(&line);
            self.line = line;
            self.line.clear();
        }
        self.after_return &= bytes.is_empty();
        self.extend_line(bytes)
    }

    /// The next item, in the order of the stream.
    pub(crate) fn take(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    fn extend_line(&mut self, part: &[u8]) -> Result<(), TooLarge> {
        if self.line.len() + part.len() + self.event.data.len() > MAX_EVENT_BYTES {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, mut line: &[u8]) {
        if !std::mem::replace(&mut self.after_first_line, true) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                self.items.push_back(Item::Event(event));
            }
            return;
        }
        let colon = line.iter().position(|b| *b == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"" => self.items.push_back(Item::Comment),
            b"data" => {
                if self.has_data {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => self.event.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => {
                self.event.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"retry" => {
                let digits = value.iter().all(u8::is_ascii_digit);
                let millis = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                if let Some(millis) = millis.filter(|_| digits) {
                    self.items.push_back(Item::Retry(Duration::from_millis(millis)));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: Option<&str>, data: &str) -> Item {
        Item::Event(SseEvent {
            name: name.into(),
            id: id.map(Into::into),
            data: data.as_bytes().into(),
        })
    }

    fn read(parts: &[&[u8]]) -> Vec<Item> {
        let mut parser = Parser::default();
        for part in parts {
            parser.push(part).unwrap();
        }
        std::iter::from_fn(|| parser.take()).collect()
    }

    const STREAM: &[u8] = "\u{feff}: hello\nretry: 1500\n\n\
        event: change\nid: e.58\ndata: {\"a\":1}\n\n\
        :\r\nevent: change\r\nid:e.59\r\ndata:{\"ü\":\r\ndata: 2}\r\n\r\n\
        data: cr\rdata\r\r\
        event: nothing\n\nevent: x\nid: a\0b\nretry: soon\nfoo: bar\ndata\n\n\
        data: lost, as nothing ends it\n"
        .as_bytes();

    fn expected() -> Vec<Item> {
        vec![
            Item::Comment,
            Item::Retry(Duration::from_millis(1500)),
            event("change", Some("e.58"), "{\"a\":1}"),
            Item::Comment,
            event("change", Some("e.59"), "{\"ü\":\n2}"),
            event("", None, "cr\n"),
            event("x", None, ""),
        ]
    }

    #[test]
    fn every_split_of_the_bytes_reads_the_same() {
        assert_eq!(read(&[STREAM]), expected());
        for first in 0..=STREAM.len() {
            let (head, tail) = STREAM.split_at(first);
            assert_eq!(read(&[head, tail]), expected(), "split at {first}");
            for second in 0..=tail.len() {
                let (middle, end) = tail.split_at(second);
                assert_eq!(read(&[head, middle, end]), expected(), "{first} and {second}");
            }
        }
        let single: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(read(&single), expected());
    }

    #[test]
    fn an_event_has_a_largest_size_however_it_is_made_up() {
        let half = vec![b'x'; MAX_EVENT_BYTES / 2];
        let mut one_line = Parser::default();
        assert_eq!(one_line.push(b"data: "), Ok(()));
        assert_eq!(one_line.push(&half), Ok(()));
        assert_eq!(one_line.push(&half), Err(TooLarge));

        let mut two_lines = Parser::default();
        let line = [b"data: ", half.as_slice(), b"\n"].concat();
        assert_eq!(two_lines.push(&line), Ok(()));
        assert_eq!(two_lines.push(&line), Err(TooLarge));

        let mut two_events = Parser::default();
        let event = [b"data: ", half.as_slice(), b"\n\n"].concat();
        for _ in 0..4 {
            assert_eq!(two_events.push(&event), Ok(()));
            assert!(matches!(two_events.take(), Some(Item::Event(_))));
        }
    }
}
