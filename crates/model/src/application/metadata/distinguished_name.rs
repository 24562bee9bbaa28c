//! Names of the owners of certificates (RFC 4514), in a form in which equal names are equal.

use std::collections::BTreeSet;

use crate::Invalid;

/// Most attributes of one name.
const MOST: usize = 50;

/// Keywords of attribute types: RFC 4514 section 3, and what OpenSSL, nginx and Java write beside them.
const KEYWORDS: [(&str, &str); 24] = [
    ("CN", "2.5.4.3"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("S", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("SN", "2.5.4.4"),
    ("SURNAME", "2.5.4.4"),
    ("GN", "2.5.4.42"),
    ("GIVENNAME", "2.5.4.42"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("TITLE", "2.5.4.12"),
    ("POSTALCODE", "2.5.4.17"),
    ("BUSINESSCATEGORY", "2.5.4.15"),
    ("ORGANIZATIONIDENTIFIER", "2.5.4.97"),
    ("E", "1.2.840.113549.1.9.1"),
    ("EMAILADDRESS", "1.2.840.113549.1.9.1"),
    ("JURISDICTIONC", "1.3.6.1.4.1.311.60.2.1.3"),
    ("JURISDICTIONST", "1.3.6.1.4.1.311.60.2.1.2"),
    ("JURISDICTIONL", "1.3.6.1.4.1.311.60.2.1.1"),
];

/// What an attribute of a name says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttributeValue {
    /// Text, folded: see [`AttributeValue::text`].
    Text(String),
    /// The encoding of something that is no text.
    Encoded(Vec<u8>),
}

impl AttributeValue {
    /// Text as it is compared: letters of either case are equal, spaces around it do not count, and several in a row count as one
    /// (the rule caseIgnoreMatch of RFC 4517 section 4.2.11, without its mapping of compatible characters).
    pub fn text(text: &str) -> Self {
        let words: Vec<String> = text
            .split(char::is_whitespace)
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        Self::Text(words.join(" "))
    }
}

/// Attributes that stand together: their order says nothing.
type Relative = BTreeSet<(String, AttributeValue)>;

/// A name, with the most general part first as certificates have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedName(Vec<Relative>);

impl DistinguishedName {
    /// From attributes as (object identifier, value), grouped as in a certificate and in its order.
    pub fn from_parts(
        parts: impl IntoIterator<Item = impl IntoIterator<Item = (String, AttributeValue)>>,
    ) -> Self {
        let parts = parts.into_iter();
        Self(parts.map(|part| part.into_iter().collect()).collect())
    }

    /// Reads the text form, which has the most general part last. Spaces after commas are accepted.
    ///
    /// # Errors
    /// For what is not of that form, is empty or has an attribute whose keyword is not known: such a one is written with its object
    /// identifier.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut reader = Reader {
            rest: text.trim_start(),
            count: 0,
        };
        let mut parts = Vec::new();
        loop {
            let (part, more) = reader.relative()?;
            parts.push(part);
            if !more {
                break;
            }
        }
        parts.reverse();
        Ok(Self(parts))
    }
}

struct Reader<'a> {
    rest: &'a str,
    count: usize,
}

impl<'a> Reader<'a> {
    /// One part, and whether a comma follows it.
    fn relative(&mut self) -> Result<(Relative, bool), Invalid> {
        let mut part = Relative::new();
        loop {
            self.count += 1;
            if self.count > MOST {
                return Err(refused());
            }
            let kind = self.kind()?;
            let (value, rest) = value(self.rest)?;
            if !part.insert((kind, value)) {
                return Err(refused());
            }
            let mut rest = rest.chars();
            let end = rest.next();
            self.rest = rest.as_str();
            if end != Some('+') {
                return Ok((part, end.is_some()));
            }
        }
    }

    /// The type of an attribute, as an object identifier.
    fn kind(&mut self) -> Result<String, Invalid> {
        let (name, rest) = self.rest.split_once('=').ok_or_else(refused)?;
        self.rest = rest.trim_start_matches(' ');
        let name = name.trim_matches(' ');
        let known = KEYWORDS
            .iter()
            .find(|(keyword, _)| keyword.eq_ignore_ascii_case(name));
        if let Some((_, id)) = known {
            return Ok((*id).to_owned());
        }
        let number = |arc: &str| {
            let canonical = arc == "0" || !arc.starts_with('0');
            !arc.is_empty() && canonical && arc.bytes().all(|b| b.is_ascii_digit())
        };
        if name.contains('.') && name.split('.').all(number) {
            Ok(name.to_owned())
        } else {
            Err(refused())
        }
    }
}

/// A value, and what follows it: nothing, or a separator first.
fn value(input: &str) -> Result<(AttributeValue, &str), Invalid> {
    if let Some(encoded) = input.strip_prefix('#') {
        let (digits, rest) = encoded.split_at(encoded.find([',', '+']).unwrap_or(encoded.len()));
        let bytes = hex(digits.trim_end_matches(' ')).filter(|bytes| !bytes.is_empty());
        return Ok((AttributeValue::Encoded(bytes.ok_or_else(refused)?), rest));
    }
    let mut bytes = Vec::new();
    let mut rest = input.chars();
    loop {
        let before = rest.as_str();
        match rest.next() {
            None => return Ok((text(bytes)?, "")),
            Some(',' | '+') => return Ok((text(bytes)?, before)),
            Some('"' | ';' | '<' | '>' | '\0') => return Err(refused()),
            Some('\\') => match rest.next() {
                Some(one) if " \"#+,;<=>\\".contains(one) => push(&mut bytes, one),
                Some(one) => {
                    let pair: String = [Some(one), rest.next()].into_iter().flatten().collect();
                    bytes.extend(hex(&pair).ok_or_else(refused)?);
                }
                None => return Err(refused()),
            },
            Some(one) => push(&mut bytes, one),
        }
    }
}

fn push(bytes: &mut Vec<u8>, one: char) {
    bytes.extend(one.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Text that is not empty.
fn text(bytes: Vec<u8>) -> Result<AttributeValue, Invalid> {
    let text = String::from_utf8(bytes).map_err(|_| refused())?;
    match AttributeValue::text(&text) {
        AttributeValue::Text(folded) if folded.is_empty() => Err(refused()),
        value => Ok(value),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect(),
    )
}

fn refused() -> Invalid {
    Invalid::new(
        "",
        "must be a distinguished name as RFC 4514 writes it, such as CN=shop,O=Example,C=DE; a type without keyword is written as its \
         object identifier",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn spelling_does_not_matter_and_order_does() {
        let name = read("CN=Shop One,O=Example\\, Inc.,C=DE");
        for same in [
            "cn=shop  one, o=EXAMPLE\\2C inc., c=de",
            "2.5.4.3=Shop One,2.5.4.10=Example\\, Inc.,2.5.4.6=DE",
            "CN= Shop One ,O = Example\\, Inc. , C=DE",
        ] {
            assert_eq!(read(same), name, "{same}");
        }
        for other in [
            "C=DE,O=Example\\, Inc.,CN=Shop One",
            "CN=Shop One,C=DE",
            "CN=ShopOne,O=Example\\, Inc.,C=DE",
            "CN=Shop One+O=Example\\, Inc.,C=DE",
            "OU=Shop One,O=Example\\, Inc.,C=DE",
        ] {
            assert_ne!(read(other), name, "{other}");
        }
        assert_eq!(read("CN=a+UID=b"), read("uid=B+cn=A"));
    }

    #[test]
    fn the_examples_of_the_specification_are_read() {
        // RFC 4514 section 4.
        for example in [
            "UID=jsmith,DC=example,DC=net",
            "OU=Sales+CN=J.  Smith,DC=example,DC=net",
            "CN=James \\\"Jim\\\" Smith\\, III,DC=example,DC=net",
            "CN=Before\\0dAfter,DC=example,DC=net",
            "1.3.6.1.4.1.1466.0=#04024869",
            "CN=Lu\\C4\\8Di\\C4\\87",
        ] {
            read(example);
        }
        assert_eq!(read("CN=Lu\\C4\\8Di\\C4\\87"), read("CN=Lučić"));
        let parts = [[(
            String::from("1.3.6.1.4.1.1466.0"),
            AttributeValue::Encoded(vec![4, 2, 0x48, 0x69]),
        )]];
        assert_eq!(
            read("1.3.6.1.4.1.1466.0=#04024869"),
            DistinguishedName::from_parts(parts)
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = vec!["CN=a"; 51].join(",");
        for bad in [
            "",
            "shop",
            "CN=",
            "CN= ",
            "=a",
            "CN=a,",
            "CN=a+",
            "CN=a,,O=b",
            "XX=a",
            "2.5.=a",
            "2.05.4=a",
            "5=a",
            "CN=a\\",
            "CN=a\\zz",
            "CN=\\ff",
            "CN=a;O=b",
            "CN=\"a\"",
            "CN=<a>",
            "CN=#",
            "CN=#0",
            "CN=#zz",
            "CN=a+CN=A",
            long.as_str(),
        ] {
            assert!(DistinguishedName::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}") {
            let _ = DistinguishedName::parse(&text);
            let _ = DistinguishedName::parse(&format!("CN={text}"));
        }
    }
}
