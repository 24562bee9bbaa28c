//! `config/ui/theme_text` and `config/ui/theme_color`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Invalid, family::Family};

/// Texts of the sign-in page. What is left out on a write goes back to its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ThemeText {
    /// Title of the browser tab, at most 200 characters.
    pub tab_title: String,
    /// Line below the form, at most 200 characters; empty for none.
    pub footnote: String,
}

/// Colours of the sign-in page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ThemeColor {
    /// Background of the header, `#RGB` or `#RRGGBB`.
    pub header_color: String,
}

impl Default for ThemeText {
    fn default() -> Self {
        Self {
            tab_title: String::from("Login"),
            footnote: String::from("Powered by Vestibule"),
        }
    }
}

impl Default for ThemeColor {
    fn default() -> Self {
        Self {
            header_color: String::from("#EEF2F5"),
        }
    }
}

impl Family for ThemeText {
    const NAME: &'static str = "ui/theme_text";

    fn validate(&self) -> Result<(), Invalid> {
        for (field, text) in [("tabTitle", &self.tab_title), ("footnote", &self.footnote)] {
            if text.chars().count() > 200 || text.chars().any(char::is_control) {
                return Err(Invalid::new(
                    field,
                    "must be at most 200 printable characters",
                ));
            }
        }
        Ok(())
    }
}

impl Family for ThemeColor {
    const NAME: &'static str = "ui/theme_color";

    fn validate(&self) -> Result<(), Invalid> {
        let digits = self.header_color.strip_prefix('#').unwrap_or_default();
        if matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(())
        } else {
            Err(Invalid::new("headerColor", "must be #RGB or #RRGGBB"))
        }
    }
}
