//! The parameters of the action API: query and form body, merged.

use std::borrow::Cow;

use pod_core::domain::ExecutionId;

/// Parameters in the order they came, the query before the body. Of a name given twice, the first counts.
///
/// A pair is split at its first `=`, so an unquoted URL may hold further ones, and ends at `&`, as in any form.
#[derive(Debug)]
pub(crate) struct Params<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Parameters that a request may have. No action needs so many; each takes more memory than the two bytes that it may
/// be sent in.
const MAX_PARAMS: usize = 1000;

/// Why parameters could not be understood, as a sentence of the action API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParamError {
    #[error("Parameter {0} is null")]
    Missing(&'static str),
    #[error("Parameter {0} is not an integer")]
    NotAnInteger(&'static str),
    #[error("Parameter {0} is not valid UTF-8 text")]
    NotText(String),
    #[error("There are more than {MAX_PARAMS} parameters; write & within a value as %26")]
    TooMany,
}

/// An execution's id from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GivenId {
    /// One that an execution may have.
    Id(ExecutionId),
    /// An integer that no execution has: negative, or too large.
    OutOfRange(String),
}

impl<'a> Params<'a> {
    /// Understands both places. Text that is not UTF-8 would be changed silently, so it is refused.
    pub(crate) fn parse(query: &'a [u8], body: &'a [u8]) -> Result<Self, ParamError> {
        let mut pairs = Vec::new();
        for pair in [query, body].into_iter().flat_map(|text| text.split(|&byte| byte == b'&')) {
            if pair.is_empty() {
                continue;
            }
            let split = pair.iter().position(|&byte| byte == b'=');
            let (name, value) = split.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
            let name = text(name).map_err(ParamError::NotText)?;
            let value = text(value).map_err(|_| ParamError::NotText(name.to_string()))?;
            if pairs.len() == MAX_PARAMS {
                return Err(ParamError::TooMany);
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// A parameter; an empty one is given, not missing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find_map(|(key, value)| (key == name).then_some(value.as_ref()))
    }

    /// All of them, in the order they came.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// A parameter that must be given.
    pub(super) fn need(&self, name: &'static str) -> Result<&str, ParamError> {
        self.get(name).ok_or(ParamError::Missing(name))
    }

    /// A parameter that must be the id of an execution.
    pub(super) fn need_id(&self, name: &'static str) -> Result<GivenId, ParamError> {
        let text = self.need(name)?;
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParamError::NotAnInteger(name));
        }
        Ok(match text.parse() {
            Ok(id) => GivenId::Id(ExecutionId(id)),
            Err(_) => GivenId::OutOfRange(text.chars().take(40).collect()),
        })
    }
}

/// Decodes `+` and `%XX`; a `%` that begins no such pair stands for itself. The error is the text with what is not
/// UTF-8 replaced.
fn text(encoded: &[u8]) -> Result<Cow<'_, str>, String> {
    let bytes = if encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        Cow::Owned(decode(encoded))
    } else {
        Cow::Borrowed(encoded)
    };
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(100).collect();
    match bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| lossy(bytes)),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|error| lossy(error.as_bytes())),
    }
}

fn decode(encoded: &[u8]) -> Vec<u8> {
    let digit = |at: usize| encoded.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while let Some(&byte) = encoded.get(at) {
        at += 1;
        decoded.push(match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                u8::try_from(high * 16 + low).unwrap_or(byte)
            }
            (b'+', ..) => b' ',
            _ => byte,
        });
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<'a>(query: &'a str, body: &'a str) -> Params<'a> {
        Params::parse(query.as_bytes(), body.as_bytes()).unwrap()
    }

    #[test]
    fn query_and_body_are_merged_and_the_first_counts() {
        let params = parsed("action=newExecution&name=a", "input=x+y%21&name=b");
        assert_eq!(params.get("action"), Some("newExecution"));
        assert_eq!(params.get("name"), Some("a"));
        assert_eq!(params.get("input"), Some("x y!"));
        assert_eq!(params.get("other"), None);
    }

    #[test]
    fn an_unquoted_url_may_hold_question_and_equals_signs() {
        let params = parsed("action=newActivity&installationScriptLocation=https://host/install.sh?dl=1&name=a", "");
        assert_eq!(params.get("installationScriptLocation"), Some("https://host/install.sh?dl=1"));
        assert_eq!(params.get("name"), Some("a"));
    }

    #[test]
    fn an_empty_value_is_given() {
        assert_eq!(parsed("input=", "").get("input"), Some(""));
        assert_eq!(parsed("input", "").get("input"), Some(""));
        assert_eq!(parsed("", "").need("name").unwrap_err().to_string(), "Parameter name is null");
    }

    #[test]
    fn percent_signs_decode_as_in_forms() {
        for (sent, expected) in
            [("%41", "A"), ("%4", "%4"), ("%", "%"), ("%zz", "%zz"), ("%C3%A9", "é"), ("100%", "100%")]
        {
            assert_eq!(parsed(&format!("x={sent}"), "").get("x"), Some(expected), "{sent}");
        }
        assert_eq!(Params::parse("a&".repeat(1001).as_bytes(), b"").unwrap_err(), ParamError::TooMany);
        let error = Params::parse(b"input=%ff", b"").unwrap_err();
        assert_eq!(error.to_string(), "Parameter input is not valid UTF-8 text");
    }

    #[test]
    fn ids_are_integers() {
        let id = |text: &str| parsed(&format!("executionId={text}"), "").need_id("executionId");
        assert_eq!(id("3"), Ok(GivenId::Id(ExecutionId(3))));
        assert_eq!(id("-3"), Ok(GivenId::OutOfRange("-3".to_owned())));
        assert_eq!(id("99999999999999999999"), Ok(GivenId::OutOfRange("99999999999999999999".to_owned())));
        for wrong in ["", "x", "3x", "3.0", "-", "0x3", "%203"] {
            assert_eq!(id(wrong), Err(ParamError::NotAnInteger("executionId")), "{wrong}");
        }
    }
}
