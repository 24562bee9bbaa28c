//! How clients really write JSON: `null` and empty text for what is not set, whole numbers with a fraction of zero.

use serde::{Deserialize, Deserializer, de::Error};

/// `null` stands for the default.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Empty text stands for nothing.
pub(crate) fn blank_as_none<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// An integer, also when it comes as `3600.0` from a client that keeps all numbers as floats.
pub(crate) fn whole_number<'de, D>(deserializer: D) -> Result<i64, D::Error>
where
    D: Deserializer<'de>,
{
    let number = serde_json::Number::deserialize(deserializer)?;
    if let Some(whole) = number.as_i64() {
        return Ok(whole);
    }
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => Ok(float as i64),
        _ => Err(D::Error::custom("expected a whole number")),
    }
}
