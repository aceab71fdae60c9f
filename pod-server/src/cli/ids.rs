//! Ids on the command line.

/// Reads the id of an execution.
pub(crate) fn execution_id(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not an execution's id: a number such as 4711 is; `pod ps -a` lists them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_number() {
        assert_eq!(execution_id("17"), Ok(17));
        for text in ["", "abc", "-1", "1.5", "99999999999999999999"] {
            let said = execution_id(text).unwrap_err();
            assert!(said.contains(text) && said.contains("a number such as 4711"), "{said}");
        }
    }
}
