//! Turns parser errors into sentences in the terms of the request.

/// A sentence for an error of the JSON parser.
pub(super) fn of_json(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = whole.strip_suffix(&place).unwrap_or(&whole);
    member(said).unwrap_or_else(|| match mismatch(said) {
        Some(sentence) => format!("{sentence} (line {}, column {})", error.line(), error.column()),
        None => format!("The body is not what is expected here: {whole}"),
    })
}

/// A sentence for an error of the query parser.
pub(super) fn of_query(said: &str) -> String {
    let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(said);
    // About the name itself, which some parsers put in front.
    if let Some(sentence) = member(said.split_once(": ").map_or(said, |(_, rest)| rest)) {
        return sentence.replacen("The member", "The parameter", 1);
    }
    if let Some((name, said)) = said.split_once(": ")
        && !name.contains(' ')
    {
        let expected = match said {
            said if said.contains("float") => "a number is expected".to_owned(),
            said if said.contains("digit") || said.contains("integer") => "a whole number is expected".to_owned(),
            said if said.contains("too large") || said.contains("too small") => "the number is out of range".to_owned(),
            said if said.contains("`true` or `false`") => "true or false is expected".to_owned(),
            said => match alternatives(said) {
                Some((_, known)) => format!("it is one of {known}"),
                None => said.to_owned(),
            },
        };
        return format!("The parameter {name} is not understood: {expected}");
    }
    format!("The query is not understood: {said}")
}

/// A sentence about a member that is unknown, missing or there twice.
fn member(said: &str) -> Option<String> {
    if let Some(rest) = said.strip_prefix("unknown field ") {
        let (name, known) = alternatives(rest)?;
        return Some(match known.as_str() {
            "" => format!("The member {name} is not known here; none is"),
            known => format!("The member {name} is not known here; known: {known}"),
        });
    }
    if let Some(name) = said.strip_prefix("missing field ") {
        return Some(format!("The member {} is missing", name.trim_matches('`')));
    }
    let name = said.strip_prefix("duplicate field ")?;
    Some(format!("The member {} is there twice", name.trim_matches('`')))
}

/// What was found and what may stand there instead.
fn alternatives(said: &str) -> Option<(String, String)> {
    let (found, known) = said.split_once(", ")?;
    let known = known.trim_start_matches("expected ").trim_start_matches("one of ").replace('`', "");
    let known = if known.starts_with("there are no") { String::new() } else { known };
    Some((found.rsplit_once('`').and_then(|(rest, _)| rest.rsplit_once('`')).map(|(_, name)| name.to_owned())?, known))
}

/// A sentence about a value of the wrong kind.
fn mismatch(said: &str) -> Option<String> {
    let rest = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.split_once(", expected ")?;
    let found = match found.split_once(' ') {
        Some(("integer", value)) => format!("the number {}", value.replace('`', "")),
        Some(("floating", value)) => format!("the {}", value.replace("point", "number").replace('`', "")),
        Some(("string", value)) => format!("the text {value}"),
        Some(("boolean", value)) => value.replace('`', ""),
        _ if found == "map" => "an object".to_owned(),
        _ if found == "sequence" => "an array".to_owned(),
        _ => found.to_owned(),
    };
    let expected = match expected {
        "a string" => "a text",
        "a map" => "an object",
        "a sequence" => "an array",
        "f64" | "f32" => "a number",
        "u32" | "u64" | "usize" => "a whole number that is not negative",
        expected if expected.starts_with("struct ") => "a JSON object",
        expected => expected,
    };
    Some(format!("The body holds {found} where {expected} is expected"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "what counts is how it is refused")]
    struct Body {
        name: String,
        #[serde(default)]
        count: u32,
        #[serde(default)]
        env: std::collections::BTreeMap<String, String>,
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said_in_plain_words() {
        for (text, expected) in [
            (r#"{"naem":"x"}"#, "The member naem is not known here; known: name, count, env"),
            ("{}", "The member name is missing"),
            (r#"{"name":"x","name":"y"}"#, "The member name is there twice"),
            (r#"{"name":5}"#, "The body holds the number 5 where a text is expected (line 1, column 9)"),
            (r#"{"name":null}"#, "The body holds null where a text is expected (line 1, column 12)"),
            (
                r#"{"name":"x","count":-1}"#,
                "The body holds the number -1 where a whole number that is not negative is expected (line 1, column 22)",
            ),
            (r#"{"name":"x","env":[]}"#, "The body holds an array where an object is expected (line 1, column 18)"),
        ] {
            let error = serde_json::from_str::<Body>(text).unwrap_err();
            assert_eq!(of_json(&error), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_query_is_said_in_plain_words() {
        for (said, expected) in [
            ("wait: invalid float literal", "The parameter wait is not understood: a number is expected"),
            (
                "limit: invalid digit found in string",
                "The parameter limit is not understood: a whole number is expected",
            ),
            (
                "unknown field `x`, expected one of `limit`, `cursor`",
                "The parameter x is not known here; known: limit, cursor",
            ),
            ("dryRun: unknown field `dryRun`, there are no fields", "The parameter dryRun is not known here; none is"),
            (
                "x: unknown field `x`, expected `wait` or `stream`",
                "The parameter x is not known here; known: wait or stream",
            ),
            (
                "stream: unknown variant `x`, expected `stdout` or `stderr`",
                "The parameter stream is not understood: it is one of stdout or stderr",
            ),
            ("missing field `stream`", "The parameter stream is missing"),
        ] {
            assert_eq!(of_query(&format!("Failed to deserialize query string: {said}")), expected);
        }
    }
}
