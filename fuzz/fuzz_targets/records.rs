//! Streams of records: boundaries of pushes do not matter, and what a simpler reader says is what comes out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use vestibule_wire::records::{Form, Limits, RawRecord, RecordSplitter, SplitError};

type Outcome = (Vec<Vec<u8>>, Result<(), SplitError>, Option<Form>);

fuzz_target!(|input: (bool, [u8; 8], &[u8])| {
    let (small, lengths, bytes) = input;
    let limits = if small {
        Limits {
            record: 24,
            space: 8,
        }
    } else {
        Limits::default()
    };
    let whole = split(limits, [bytes]);
    assert_eq!(whole, split(limits, bytes.chunks(1)));
    assert_eq!(whole, split(limits, chunks(bytes, lengths)));
    if !small {
        compare(bytes, &whole);
    }
});

fn split<'a>(limits: Limits, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut splitter = RecordSplitter::new(limits);
    let mut records = Vec::new();
    let mut sink = |record: RawRecord<'_>| {
        assert_eq!(record.index, records.len() as u64);
        records.push(record.bytes.to_vec());
    };
    for chunk in chunks {
        if splitter.push(chunk, &mut sink).is_err() {
            break;
        }
    }
    let form = splitter.form();
    let ended = splitter.finish(&mut sink);
    (records, ended, form)
}

/// Pieces of these lengths, over and over.
fn chunks(bytes: &[u8], lengths: [u8; 8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut chunks = Vec::new();
    for length in lengths.into_iter().cycle() {
        if rest.is_empty() {
            break;
        }
        // Empty ones are pushed too, but not for ever.
        let length = if length == 0 && chunks.len() % 8 == 7 {
            1
        } else {
            length
        };
        let (chunk, behind) = rest.split_at(rest.len().min(length.into()));
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}

fn compare(bytes: &[u8], (records, ended, form): &Outcome) {
    let values = || -> Option<Vec<Value>> {
        let parsed = records.iter().map(|record| serde_json::from_slice(record));
        parsed.collect::<Result<_, _>>().ok()
    };
    match (serde_json::from_slice(bytes), form) {
        (Ok(Value::Array(expected)), _) => {
            assert_eq!((ended, form), (&Ok(()), &Some(Form::Array)));
            assert_eq!(values(), Some(expected));
        }
        (Ok(Value::Object(whole)), Some(Form::Export)) if ended.is_ok() => {
            assert_eq!(values().map(Value::Array).as_ref(), whole.get("users"));
        }
        (_, Some(Form::Lines)) if ended.is_ok() => {
            let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            let lines = text.split(|&byte| byte == b'\n').map(trimmed);
            let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
            assert_eq!(records, &lines);
        }
        _ => {}
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let start = line
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(line.len());
    let end = line
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |at| at + 1);
    &line[start..end]
}
