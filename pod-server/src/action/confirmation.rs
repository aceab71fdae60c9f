//! The confirmation page before a browser runs an action: what the action would do, in words.

use pod_web::Question;

use super::params::Params;

/// The parameter that holds the token of a form of ours.
pub(super) const FORM: &str = "form";

/// Longer values are shortened on the page.
const MAX_SHOWN_LEN: usize = 200;

/// The question before this action. Its parameters go along as they came.
pub(super) fn of(action: &str, params: &Params<'_>, path: &str) -> Question {
    let given = |name: &str| {
        let value = params.get(name).unwrap_or_default();
        let mut shown: String = value.chars().take(MAX_SHOWN_LEN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        shown
    };
    let (name, id) = (given("name"), given("executionId"));
    let (title, sentence) = match action {
        "newActivity" => (
            format!("Register the activity {name}?"),
            format!(
                "Its installation script would be fetched from {} and run on a worker.",
                given("installationScriptLocation")
            ),
        ),
        "deleteActivity" => (
            format!("Delete the activity {name}?"),
            "What waits of it ends as failed, what runs finishes first, and it is removed from every worker."
                .to_owned(),
        ),
        "newExecution" => (
            format!("Run {name}?"),
            match params.get("input") {
                Some(_) => format!("A program would be run with the input {}", given("input")),
                None => "A program would be run, without an input.".to_owned(),
            },
        ),
        "getExecutionStatus" => (
            format!("Take the result of execution {id}?"),
            "It is handed out once: if the execution has ended, this address will not know it any more.".to_owned(),
        ),
        "terminateExecution" => {
            (format!("Terminate execution {id}?"), "Its program would be ended, with all that it started.".to_owned())
        }
        "newPolicy" => (format!("Make the policy {name}?"), format!("Its rules would be {}.", given("rules"))),
        "applyPolicy" => (
            format!("Apply the policy {name}?"),
            "The fleet would be brought to it at once: workers are launched or let go.".to_owned(),
        ),
        "deletePolicy" => {
            (format!("Delete the policy {name}?"), "If it is active, the default one takes over.".to_owned())
        }
        "resetPolicies" => (
            "Go back to the default policy?".to_owned(),
            "The fleet would be brought to it at once: workers are launched or let go.".to_owned(),
        ),
        _ => (format!("Do {}?", given("action")), "It would change something.".to_owned()),
    };
    let asked = "The address that you opened would do this. If you did not mean to, for example because a link led here, \
                 go back.";
    Question {
        title,
        sentences: vec![sentence, asked.to_owned()],
        action: path.to_owned(),
        fields: params.pairs().filter(|(name, _)| *name != FORM).map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        verb: "Go on",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_that_changes_something_is_asked_about_in_words_of_its_own() {
        for action in super::super::CHANGING {
            let query = format!("action={action}&name=Ada&executionId=17&form=forged");
            let params = Params::parse(query.as_bytes(), &[]).unwrap();
            let question = of(action, &params, "/POD/");
            assert!(!question.title.starts_with("Do "), "{action}: {}", question.title);
            assert_eq!(question.fields.len(), 3, "{action}: the parameters, and no token that came with them");
        }
    }

    #[test]
    fn what_is_long_is_cut_in_the_question_and_whole_in_the_form() {
        let input = "x".repeat(1000);
        let query = format!("action=newExecution&name=a&input={input}");
        let params = Params::parse(query.as_bytes(), &[]).unwrap();
        let question = of("newExecution", &params, "/");
        assert!(question.sentences[0].ends_with("xx…") && question.sentences[0].len() < 300);
        assert!(question.fields.contains(&("input".to_owned(), input)));
    }
}
