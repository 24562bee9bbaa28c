//! Which language a person reads (RFC 9110 section 12.5.4, RFC 4647 section 3.4).

/// Most languages of an application's list that are looked at.
const MOST_ASKED: usize = 20;

/// The best of `available` for what an application asked for, one language or a list with spaces between (OpenID Connect Core section
/// 3.1.2.1), and for what the browser accepts; the first one when nothing fits.
/// Mobile SDKs send locale ids such as `en_US` (contract/runtime.md section 4.1).
pub fn choose<'a>(asked: Option<&str>, accepted: Option<&str>, available: &[&'a str]) -> &'a str {
    let mut wanted: Vec<String> = Vec::new();
    let asked = asked.unwrap_or_default().split(' ');
    wanted.extend(asked.take(MOST_ASKED).map(normalize));
    wanted.extend(ranked(accepted.unwrap_or_default()));
    wanted
        .iter()
        .find_map(|tag| best(tag, available))
        .or(available.first().copied())
        .unwrap_or_default()
}

/// Longest header that is looked at, in bytes.
const LONGEST: usize = 1000;

fn ranked(header: &str) -> Vec<String> {
    let mut tags: Vec<(u32, String)> = header
        .get(..LONGEST)
        .unwrap_or(header)
        .split(',')
        .take(50)
        .filter_map(|part| {
            let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.trim().parse().ok()?;
            let tag = normalize(tag);
            let usable = weight > 0.0 && weight <= 1.0 && !tag.is_empty() && tag != "*";
            usable.then_some(((weight * 1000.0) as u32, tag))
        })
        .collect();
    tags.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    tags.into_iter().map(|(_, tag)| tag).collect()
}

fn normalize(tag: &str) -> String {
    tag.trim().replace('_', "-").to_ascii_lowercase()
}

/// The same tag, else one of the same language.
fn best<'a>(tag: &str, available: &[&'a str]) -> Option<&'a str> {
    let language = |tag: &str| {
        tag.split('-')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let same = |one: &&&str| one.eq_ignore_ascii_case(tag);
    let related = |one: &&&str| language(one) == language(tag);
    available
        .iter()
        .find(same)
        .or_else(|| available.iter().find(related))
        .copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn there_is_always_a_language(asked in ".{0,50}", accepted in ".{0,2000}") {
            prop_assert!(ALL.contains(&choose(Some(&asked), Some(&accepted), ALL)));
        }
    }

    const ALL: &[&str] = &["en", "de", "pt-BR", "zh-CN"];

    #[test]
    fn what_was_asked_for_precedes_what_is_accepted() {
        for (asked, accepted, best) in [
            (Some("de_AT"), Some("pt"), "de"),
            (Some("fr se pt"), Some("de"), "pt-BR"),
            (Some("null"), Some("pt-PT, en;q=0.5"), "pt-BR"),
            (None, Some("xx, zh-Hans;q=0.9, de;q=0.95"), "de"),
            (None, Some("*, de;q=0"), "en"),
            (None, None, "en"),
            (Some(""), Some(";;;,q=,de;q=x"), "en"),
        ] {
            assert_eq!(choose(asked, accepted, ALL), best, "{asked:?} {accepted:?}");
        }
    }
}
