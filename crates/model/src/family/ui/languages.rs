//! `config/ui/languages`: which languages the pages and mails of an instance speak.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Invalid, family::Family};

/// Languages as BCP 47 tags (RFC 5646), in order of preference; English alone until set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Languages {
    /// At least one, at most 100, each once.
    pub languages: Vec<String>,
}

impl Default for Languages {
    fn default() -> Self {
        Self {
            languages: vec![String::from("en")],
        }
    }
}

impl Family for Languages {
    const NAME: &'static str = "ui/languages";

    fn validate(&self) -> Result<(), Invalid> {
        let tags = &self.languages;
        if tags.is_empty() || tags.len() > 100 {
            return Err(Invalid::new("languages", "must hold 1 to 100 languages"));
        }
        for (i, tag) in tags.iter().enumerate() {
            let good = tag.len() <= 35
                && tag.split('-').enumerate().all(|(n, part)| {
                    let length = if n == 0 { 2..=8 } else { 1..=8 };
                    length.contains(&part.len())
                        && part
                            .bytes()
                            .all(|b| b.is_ascii_alphabetic() || (n > 0 && b.is_ascii_digit()))
                });
            if !good {
                return Err(Invalid::new(
                    "languages",
                    "holds something that is not a language tag such as en or pt-BR",
                ));
            }
            if tags[..i]
                .iter()
                .any(|other| other.eq_ignore_ascii_case(tag))
            {
                return Err(Invalid::new("languages", format!("holds {tag} twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_checked() {
        let valid = |tags: &[&str]| {
            let languages = tags.iter().map(|&tag| tag.to_owned()).collect();
            Languages { languages }.validate().is_ok()
        };
        assert!(valid(&["en"]));
        assert!(valid(&["pt-BR", "zh-Hant-TW", "es-419"]));
        for bad in [
            &[][..],
            &[""],
            &["e"],
            &["en_US"],
            &["en", "EN"],
            &["en-"],
            &["<b>"],
        ] {
            assert!(!valid(bad), "{bad:?}");
        }
    }
}
