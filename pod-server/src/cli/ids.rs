//! Ids on the command line.

/// Reads the id of an execution.
pub(crate) fn execution_id(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not an execution's id: a number such as 4711 is; `pod ps -a` lists them"))
}

/// Reads the id of a worker.
pub(crate) fn worker_id(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a worker's id: a number such as 3 is; `pod workers` lists them"))
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
            let said = worker_id(text).unwrap_err();
            assert!(said.contains(text) && said.contains("`pod workers` lists them"), "{said}");
        }
    }
}
