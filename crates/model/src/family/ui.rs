//! How the sign-in page looks and speaks (contract/management-v4.openapi.yaml, `config/ui/*`).

pub mod languages;
pub mod theme;

pub use languages::Languages;
pub use theme::{ThemeColor, ThemeText};
