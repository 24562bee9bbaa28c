use std::time::Instant;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SMALL: Limits = Limits {
    record: 40,
    space: 12,
};

/// What became of a stream: its records, how it ended, and what it was.
type Outcome = (Vec<Vec<u8>>, Result<(), SplitError>, Option<Form>);

fn split<'a>(limits: Limits, chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut splitter = RecordSplitter::new(limits);
    let mut records = Vec::new();
    let mut sink = |record: RawRecord<'_>| {
        assert_eq!(record.index, records.len() as u64);
        records.push(record.bytes.to_vec());
    };
    let pushed = chunks
        .into_iter()
        .try_for_each(|chunk| splitter.push(chunk, &mut sink));
    let form = splitter.form();
    let ended = splitter.finish(&mut sink);
    if pushed.is_err() {
        assert_eq!(pushed, ended);
    }
    (records, ended, form)
}

fn whole(text: &[u8]) -> Outcome {
    split(Limits::default(), [text])
}

fn texts(records: &[Vec<u8>]) -> Vec<&str> {
    records
        .iter()
        .map(|record| std::str::from_utf8(record).unwrap())
        .collect()
}

/// The records of a stream that is read to its end.
fn good(text: &str, form: Form) -> Vec<String> {
    let (records, ended, found) = whole(text.as_bytes());
    assert_eq!((&ended, found), (&Ok(()), Some(form)), "{text}");
    texts(&records).into_iter().map(str::to_owned).collect()
}

#[test]
fn lines() {
    assert_eq!(
        good(
            "\u{feff}{\"a\":1}\r\n\n \t\n  2 \n{\"b\" broken\nnull",
            Form::Lines
        ),
        [r#"{"a":1}"#, "2", r#"{"b" broken"#, "null"]
    );
    assert_eq!(good("{}", Form::Lines), ["{}"]);
    assert_eq!(whole(b""), (vec![], Ok(()), None));
    assert_eq!(whole(b"\xEF\xBB\xBF \n"), (vec![], Ok(()), None));
    assert_eq!(whole(b"\xEF\xBB").0, [b"\xEF\xBB"]);
    assert_eq!(whole(b"\xEF\xBB\n1").0, [b"\xEF\xBB".as_slice(), b"1"]);
}

#[test]
fn a_broken_first_line_is_a_record_too() {
    let second = r#"{"b":2}"#;
    for first in [
        r#"{"a" 1}"#,
        r#"{"a":1"#,
        r#"{"a":1,"#,
        r#"{"a":{"b":[1,"#,
        r#"{"a":tr"#,
        r#"{"a":"cut off"#,
        r#"{"a":"cut off\"#,
        r#"{"a":1}{"a":2}"#,
        r#"{"a":1},"#,
        r#"{"users":null}"#,
        r#"{"x":{"users":[1]}}"#,
        r#"{"usersusersusersusersusersusers":[1]}"#,
    ] {
        let text = format!("{first}\n{second}\n{second}\n");
        assert_eq!(good(&text, Form::Lines), [first, second, second]);
    }
}

#[test]
fn arrays() {
    assert_eq!(good(" [ ] \n", Form::Array), [""; 0]);
    assert_eq!(
        good(
            r#"[{"a":"]}\"\\"} , "x\\" ,[1,[2]],-1.5e+3,true]"#,
            Form::Array
        ),
        [
            r#"{"a":"]}\"\\"}"#,
            r#""x\\""#,
            "[1,[2]]",
            "-1.5e+3",
            "true"
        ]
    );
}

#[test]
fn exports() {
    for text in [
        r#"{"users":[{"a":1},{"b":2}]}"#,
        r#"{"itemsPerPage":2,"requestOptions":{"users":[{"x":"}]"}]},"users":[{"a":1},{"b":2}],"more":[[],{}],"z":null}"#,
        "{\n  \"itemsPerPage\" : 2,\n  \"users\" :\n [\n{\"a\":1},\n\n{\"b\":2} ]\n}\n",
        r#"{"\u0075\u0073\u0065\u0072\u0073":[{"a":1},{"b":2}]}"#,
    ] {
        assert_eq!(
            good(text, Form::Export),
            [r#"{"a":1}"#, r#"{"b":2}"#],
            "{text}"
        );
    }
    assert_eq!(good(r#"{"users":[]}"#, Form::Export), [""; 0]);
}

#[test]
fn what_is_malformed() {
    for (text, record, offset, message) in [
        ("[1 2]", 1, 3, "a comma or ] is missing"),
        ("[1,]", 1, 3, "a value is missing"),
        ("[,1]", 0, 1, "a value is missing"),
        ("[1}", 1, 2, "a comma or ] is missing"),
        ("[[1}]", 0, 3, "a bracket closes that is not open"),
        ("[1]\n[2]", 1, 4, "something follows the last bracket"),
        (
            r#"{"users":[1]},"#,
            1,
            13,
            "something follows the last bracket",
        ),
        (r#"{"users":[1],}"#, 1, 13, "a key is missing"),
        (
            r#"{"users":[1] "a":1}"#,
            1,
            13,
            "a comma or a closing bracket is missing",
        ),
        (
            r#"{"users":[1],"users":[2]}"#,
            1,
            20,
            "a second member \"users\" follows",
        ),
        (
            r#"{"users":[],"users":{}}"#,
            0,
            19,
            "a second member \"users\" follows",
        ),
        (
            r#"{"users":[1],"a":{"users":[2]},"\u0075sers" : null}"#,
            1,
            44,
            "a second member \"users\" follows",
        ),
        ("{\n\"itemsPerPage\" 3", 0, 17, "a colon is missing"),
        ("{\n\"a\":1}\n", 0, 7, "the object holds no array \"users\""),
    ] {
        let malformed = SplitError::Malformed {
            record,
            offset,
            message,
        };
        let (records, ended, _) = whole(text.as_bytes());
        assert_eq!(ended, Err(malformed), "{text}");
        assert_eq!(records.len() as u64, record, "{text}");
    }
    for text in [
        "[",
        "[1",
        "[1,",
        "[\"x",
        "[1]{",
        "{",
        "{\"users\":[1]",
        "{\"a\":1\n",
    ] {
        let ended = whole(text.as_bytes()).1;
        let truncated = matches!(ended, Err(SplitError::Truncated { .. }));
        assert_eq!(truncated, text != "[1]{", "{text}: {ended:?}");
    }
}

#[test]
fn values_nest_128_deep() {
    for (depth, good) in [(128, true), (129, false), (100_000, false)] {
        let text = format!("[{}{}]", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(whole(text.as_bytes()).1.is_ok(), good, "{depth}");
        let text = format!(
            "{{\n\"a\":{}{},\"users\":[]}}",
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        );
        assert_eq!(whole(text.as_bytes()).1.is_ok(), good, "{depth}");
    }
}

#[test]
fn limits_are_exact() {
    let fits = format!("\"{}\"", "x".repeat(SMALL.record - 2));
    let over = format!("\"{}\"", "x".repeat(SMALL.record - 1));
    let blank = " ".repeat(SMALL.space - 1);
    let outcome = |text: String| split(SMALL, [text.as_bytes()]).1;
    assert_eq!(outcome(format!("1\r\n{fits}\r\n{fits}")), Ok(()));
    assert_eq!(outcome(format!("[1,{fits}]")), Ok(()));
    assert_eq!(
        outcome(format!("{{\"a\":{}}}", "1".repeat(SMALL.record - 6))),
        Ok(())
    );
    let too_long = Err(SplitError::TooLong { record: 1 });
    assert_eq!(outcome(format!("1\n{over}\n")), too_long);
    assert_eq!(outcome(format!("[1,{over}]")), too_long);
    assert_eq!(outcome(format!("[1,[{}", "0,".repeat(40))), too_long);
    assert_eq!(
        outcome(format!("{{\"a\":{}}}", "1".repeat(SMALL.record - 5))),
        Err(SplitError::TooLong { record: 0 })
    );
    let too_much = Err(SplitError::TooMuchSpace { record: 1 });
    assert_eq!(outcome(format!("1\n{blank}2")), Ok(()));
    assert_eq!(outcome(format!("1\n{blank} 2")), too_much);
    assert_eq!(outcome(format!("[1 {blank},2]")), Ok(()));
    assert_eq!(outcome(format!("[1 {blank} ,2]")), too_much);
    assert_eq!(outcome(format!("[1]{blank}  ")), too_much);
    assert_eq!(
        outcome(format!("{{\"users\":[1],\"a\":\"{blank}\"}}")),
        too_much
    );
}

/// Bytes that mean something here, in runs that come close to records.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        " ",
        "\n",
        "\r\n",
        "\u{feff}",
        "é",
        "\"users\":[",
        "\"a\":",
        "{\"users\":[",
        "{\"a\":1}",
        "{\n",
        "{}",
        "1",
        "true",
        "\"\\\"\"",
        "],",
        "]}",
    ];
    let part = prop_oneof![
        8 => proptest::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}|[\"\\\\\n\u{0}{}\\[\\],:]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-z\"\\\\]{0,4}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Divides bytes at boundaries that are given as shares of the length.
fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.extend([0, bytes.len()]);
    ends.sort_unstable();
    ends.windows(2)
        .map(|ends| &bytes[ends[0]..ends[1]])
        .collect()
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    proptest::collection::vec(any::<prop::sample::Index>(), 0..8)
}

fn render(values: &[Value], pretty: bool) -> Vec<String> {
    values
        .iter()
        .map(|value| match pretty {
            true => serde_json::to_string_pretty(value).unwrap(),
            false => value.to_string(),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn boundaries_do_not_matter(bytes in hostile(), cuts in cuts()) {
        for limits in [Limits::default(), SMALL] {
            let expected = split(limits, [bytes.as_slice()]);
            prop_assert_eq!(&split(limits, cut(&bytes, &cuts)), &expected);
            prop_assert_eq!(&split(limits, bytes.chunks(1)), &expected);
        }
    }

    #[test]
    fn lines_give_back_the_values(values in prop::collection::vec(value(), 1..8), cuts in cuts(), end in "\r?\n? ?") {
        // An array at the beginning would be taken for the whole.
        let first = [Value::Null].into_iter().filter(|_| values[0].is_array());
        let values: Vec<Value> = first.chain(values.clone().into_iter().map(without_users)).collect();
        let text = render(&values, false).join("\n") + &end;
        let (records, ended, form) = split(Limits::default(), cut(text.as_bytes(), &cuts));
        prop_assert_eq!((ended, form == Some(Form::Array)), (Ok(()), false));
        let found: Vec<Value> = records.iter().map(|record| serde_json::from_slice(record).unwrap()).collect();
        prop_assert_eq!(found, values);
    }

    #[test]
    fn arrays_and_exports_give_back_the_values(
        values in prop::collection::vec(value(), 0..8), around in value(), cuts in cuts(), pretty: bool,
    ) {
        let array = format!("[{}]", render(&values, pretty).join(" ,\n"));
        let around = render(&[around], pretty).concat();
        let export = format!("{{\"before\" : {around},\r\n\"users\": {array} , \"behind\":{around}}}\n");
        for (text, form) in [(array, Form::Array), (export, Form::Export)] {
            let (records, ended, found) = split(Limits::default(), cut(text.as_bytes(), &cuts));
            prop_assert_eq!((ended, found), (Ok(()), Some(form)));
            let found: Vec<Value> = records.iter().map(|record| serde_json::from_slice(record).unwrap()).collect();
            prop_assert_eq!(&found, &values);
        }
    }
}

/// Records have no member of that name.
fn without_users(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.remove("users");
    }
    value
}

#[test]
fn records_are_parsed_by_whoever_takes_them() {
    let mut parsed = Vec::new();
    let mut splitter = RecordSplitter::new(Limits::default());
    splitter
        .push(b"{\"a\": 1.0}\n{\"a\"\n\"\xFF\"\n", &mut |record| {
            parsed.push(record.parse().ok().map(|value| value.get().to_owned()));
        })
        .unwrap();
    assert_eq!(parsed, [Some("{\"a\": 1.0}".to_owned()), None, None]);
}

/// `cargo test --release -p vestibule-wire -- --ignored --nocapture` shows how fast streams are read.
#[test]
#[ignore = "shows a speed and proves nothing"]
fn speed() {
    let record = json!({
        "scimUser": {
            "originalId": "2819c223-7f76-453a-919d-413861904646", "displayName": "Barbara Jensen", "active": true,
            "userName": "bjensen", "emails": [{"value": "bjensen@example.com", "primary": true}], "status": "CONFIRMED",
            "name": {"givenName": "Barbara", "familyName": "Jensen", "formatted": "Ms. Barbara \"J\" Jensen"},
            "meta": {"created": "2024-01-23T04:56:22.000Z", "lastModified": "2024-05-13T04:42:34.000Z"},
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        },
        "passwordHash": "VkJFMQ".repeat(40), "passwordHashAlg": "SHA512", "roles": ["adult", "editor"],
        "profile": {"attributes": {"country": "DE", "points": 150, "theme": "dark", "tags": ["a", "b", "c"]}},
    })
    .to_string();
    let records = vec![record.as_str(); 100_000];
    let array = records.join(",");
    for (name, text) in [
        ("NDJSON", records.join("\n")),
        ("array", format!("[{array}]")),
        ("export", format!("{{\"users\":[{array}]}}")),
    ] {
        let start = Instant::now();
        let mut splitter = RecordSplitter::new(Limits::default());
        let mut count = 0;
        for chunk in text.as_bytes().chunks(64 << 10) {
            splitter.push(chunk, &mut |_| count += 1).unwrap();
        }
        splitter.finish(&mut |_| count += 1).unwrap();
        let took = start.elapsed();
        assert_eq!(count, records.len());
        println!(
            "{name}: {:.0} MB/s, {:.0} records of {} bytes a second",
            text.len() as f64 / took.as_secs_f64() / 1e6,
            f64::from(count as u32) / took.as_secs_f64(),
            record.len()
        );
    }
}
