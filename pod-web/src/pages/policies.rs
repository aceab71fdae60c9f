//! The policies: their rules in words, and what applying one would do before it is applied.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use pod_core::{
    FleetPreview, Pod, PodError,
    domain::{Millis, Policy, PolicyId, Rules},
};

use crate::{
    failure::Failure,
    flash::Flash,
    form::{FormData, VERSION},
    format::filters,
    layout::Frame,
    pages::{
        confirm::Confirm,
        conflict::{Conflict, as_text},
    },
    sentence::sentence,
    web::Web,
};

/// What rules mean, a sentence each.
pub(crate) fn in_words(rules: &Rules) -> Vec<String> {
    let workers = |count: u32| if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") };
    let (least, most) = (rules.min_workers, rules.max_workers);
    if least == most {
        return vec![match least {
            0 => "No worker runs; executions wait.".to_owned(),
            1 => "Always 1 worker.".to_owned(),
            count => format!("Always {}.", workers(count)),
        }];
    }
    vec![
        match least {
            0 => format!("At most {}, none when nothing is to do.", workers(most)),
            least => format!("{least} to {}.", workers(most)),
        },
        format!("Grows when an execution would wait longer than {}.", rules.max_wait),
        format!("Lets a worker go after {} without work.", rules.idle_timeout),
    ]
}

fn words_of(policy: &Policy) -> Vec<String> {
    policy.parsed().map_or_else(|error| vec![error.to_string()], |rules| in_words(&rules))
}

/// What would change, a sentence each.
fn consequences(preview: &FleetPreview) -> Vec<String> {
    let workers = |count: usize| if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") };
    let mut sentences = Vec::new();
    if preview.launch > 0 {
        let there = preview.workers;
        sentences
            .push(format!("{} would be launched at once; there are {there} now.", workers(preview.launch as usize)));
    }
    if !preview.undrain.is_empty() {
        sentences.push(format!("{} that should have gone would stay.", workers(preview.undrain.len())));
    }
    if !preview.drain.is_empty() {
        let numbers: Vec<String> = preview.drain.iter().take(12).map(ToString::to_string).collect();
        let more = if preview.drain.len() > 12 { " and others" } else { "" };
        sentences.push(format!("{} would be let go: {}{more}.", workers(preview.drain.len()), numbers.join(", ")));
        match preview.running {
            0 => {}
            1 => sentences.push("1 running execution finishes first.".to_owned()),
            running => sentences.push(format!("{running} running executions finish first.")),
        }
    }
    if sentences.is_empty() {
        sentences.push(match preview.workers {
            1 => "Nothing would change at once: the 1 worker there is stays.".to_owned(),
            count => format!("Nothing would change at once: the {count} workers there are stay."),
        });
    }
    sentences
}

#[derive(Debug)]
struct PolicyRow {
    policy: Policy,
    words: Vec<String>,
    active: bool,
}

#[derive(Debug, Template)]
#[template(path = "policies.html")]
struct PoliciesPage<'a> {
    frame: &'a Frame,
    rows: Vec<PolicyRow>,
    decisions: Vec<pod_core::domain::ScalingDecision>,
}

impl PoliciesPage<'_> {
    fn active(&self) -> Option<&PolicyRow> {
        self.rows.iter().find(|row| row.active)
    }
}

/// `GET /policies`.
pub(crate) async fn list(State(web): State<Arc<Web>>, frame: Frame) -> Result<Response, Failure> {
    let (policies, active) = web.pod.policies().await?;
    let row = |policy: Policy| PolicyRow { words: words_of(&policy), active: policy.id == active, policy };
    let rows = policies.into_iter().map(row).collect();
    let decisions = web.pod.scaling_decisions(20).await?;
    Ok(frame.page(&PoliciesPage { frame: &frame, rows, decisions }))
}

async fn find(web: &Web, name: &str) -> Result<(Policy, bool), Failure> {
    let (policies, active) = web.pod.policies().await?;
    let found = policies.into_iter().find(|policy| policy.name.as_str() == name);
    let found = found.ok_or_else(|| PodError::NoSuchPolicy(name.to_owned()))?;
    let is_active = found.id == active;
    Ok((found, is_active))
}

/// `GET /policies/{name}/apply`: what it would do, and the question.
pub(crate) async fn ask_apply(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    frame: Frame,
) -> Result<Response, Failure> {
    let (policy, is_active) = find(&web, &name).await?;
    if is_active {
        return Ok(Flash::done(format!("{name} is the active policy already.")).at("/policies"));
    }
    let preview = web.pod.preview_policy(policy.rules.clone()).await?;
    let mut sentences = consequences(&preview);
    sentences.extend(words_of(&policy).into_iter().map(|words| format!("From then on: {words}")));
    let action = format!("/policies/{name}/apply");
    let (fields, back) = (Vec::new(), "/policies".to_owned());
    let title = format!("Apply {name}?");
    Ok(Confirm { frame: &frame, title, sentences, action, fields, verb: "Apply", back }.ask())
}

/// `POST /policies/{name}/apply`.
pub(crate) async fn apply(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    form_data: FormData,
) -> Result<Response, Failure> {
    let policy = form_data.on(&web.pod).apply_policy(&name).await?;
    Ok(Flash::done(format!("{} is the active policy; the fleet is brought to it.", policy.name)).at("/policies"))
}

/// `POST /policies/reset`.
pub(crate) async fn reset(State(web): State<Arc<Web>>, form_data: FormData) -> Result<Response, Failure> {
    form_data.on(&web.pod).reset_policies().await?;
    Ok(Flash::done("The default policy is the active one again.").at("/policies"))
}

/// `GET /policies/{name}/delete`: the question.
pub(crate) async fn ask_delete(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    frame: Frame,
) -> Result<Response, Failure> {
    let (_, is_active) = find(&web, &name).await?;
    let mut sentences = Vec::new();
    if is_active {
        sentences.push("It is the active policy; the default one takes over.".to_owned());
        sentences.extend(consequences(&web.pod.preview_policy(Policy::built_in().rules).await?));
    } else {
        sentences.push("It is not active; the fleet stays as it is.".to_owned());
    }
    let action = format!("/policies/{name}/delete");
    let (fields, back) = (Vec::new(), "/policies".to_owned());
    let title = format!("Delete {name}?");
    Ok(Confirm { frame: &frame, title, sentences, action, fields, verb: "Delete", back }.ask())
}

/// `POST /policies/{name}/delete`.
pub(crate) async fn delete(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    form_data: FormData,
) -> Result<Response, Failure> {
    match form_data.on(&web.pod).delete_policy(&name).await {
        Ok(policy) => Ok(Flash::done(format!("{} was deleted.", policy.name)).at("/policies")),
        Err(error @ PodError::DefaultPolicy) => Ok(Flash::refused(sentence(&error)).at("/policies")),
        Err(error) => Err(error.into()),
    }
}

/// The values of the form, times in seconds and minutes.
#[derive(Debug, Default)]
struct FormValues {
    name: String,
    fixed: bool,
    workers: String,
    least: String,
    most: String,
    wait_seconds: String,
    idle_minutes: String,
}

#[derive(Debug, Template)]
#[template(path = "policy_form.html")]
struct FormPage<'a> {
    frame: &'a Frame,
    editing: Option<&'a str>,
    is_active: bool,
    /// What the form was made from; nothing where it makes a policy.
    version: String,
    typed: FormValues,
    error: Option<(&'static str, String)>,
    /// What somebody else saved meanwhile.
    conflict: Option<Conflict>,
    /// What the rules mean and would do, once asked for.
    preview: Option<(Vec<String>, Vec<String>)>,
}

impl FormPage<'_> {
    fn error(&self, field: &str) -> Option<&str> {
        self.error.as_ref().filter(|(wrong, _)| *wrong == field).map(|(_, sentence)| sentence.as_str())
    }

    fn address(&self) -> String {
        self.editing.map_or_else(|| "/policies/new".to_owned(), |name| format!("/policies/{name}/edit"))
    }
}

impl FormValues {
    fn of(form_data: &FormData) -> Self {
        let field = |name: &str| form_data.get(name).trim().to_owned();
        Self {
            name: field("name"),
            fixed: form_data.get("kind") != "range",
            workers: field("workers"),
            least: field("least"),
            most: field("most"),
            wait_seconds: field("wait"),
            idle_minutes: field("idle"),
        }
    }

    fn of_policy(policy: &Policy) -> Self {
        let rule = |name: &str| policy.rules.get(name).cloned();
        let scaled = |name: &str, unit: u64| {
            let value: Option<u64> = rule(name).and_then(|value| value.parse().ok());
            value.map(|value| {
                #[expect(clippy::cast_precision_loss, reason = "seconds and minutes are typed with few digits")]
                (value as f64 / unit as f64).to_string()
            })
        };
        Self {
            name: policy.name.to_string(),
            fixed: policy.rules.contains_key("fixedWorkers"),
            workers: rule("fixedWorkers").unwrap_or_default(),
            least: rule("minWorkers").unwrap_or_default(),
            most: rule("maxWorkers").unwrap_or_default(),
            wait_seconds: scaled("maxWait", 1000).unwrap_or_default(),
            idle_minutes: scaled("terminationTime", 60_000).unwrap_or_default(),
        }
    }

    fn text(&self) -> String {
        if self.fixed {
            return as_text(&[("Workers", &self.workers)]);
        }
        as_text(&[
            ("At least", &self.least),
            ("At most", &self.most),
            ("Longest wait, seconds", &self.wait_seconds),
            ("Let go after, minutes", &self.idle_minutes),
        ])
    }

    fn rules(&self) -> Result<BTreeMap<String, String>, (&'static str, String)> {
        let mut rules = BTreeMap::new();
        let mut put = |rule: &str, value: &str| {
            if !value.is_empty() {
                rules.insert(rule.to_owned(), value.to_owned());
            }
        };
        if self.fixed {
            if self.workers.is_empty() {
                return Err(("workers", "Give the number of workers.".to_owned()));
            }
            put("fixedWorkers", &self.workers);
        } else {
            put("minWorkers", &self.least);
            put("maxWorkers", &self.most);
            put("maxWait", &millis("wait", &self.wait_seconds, 1000.0)?);
            put("terminationTime", &millis("idle", &self.idle_minutes, 60_000.0)?);
        }
        Rules::complete(rules).map_err(|error| {
            let text = error.to_string();
            let field = match text.as_str() {
                text if text.contains("fixedWorkers") => "workers",
                text if text.contains("maxWait") => "wait",
                text if text.contains("terminationTime") => "idle",
                text if text.contains("minWorkers") => "least",
                _ => "most",
            };
            (field, sentence(&PodError::InvalidRule(error)))
        })
    }
}

fn millis(field: &'static str, text: &str, unit: f64) -> Result<String, (&'static str, String)> {
    if text.is_empty() {
        return Ok(String::new());
    }
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1e12).contains(&value) => {
            let duration = Millis::from(std::time::Duration::from_secs_f64(value * unit / 1000.0));
            Ok(duration.0.to_string())
        }
        _ => Err((field, "Give a number, 0 or more, or nothing.".to_owned())),
    }
}

/// `GET /policies/new`.
pub(crate) async fn new(frame: Frame) -> Response {
    let typed = FormValues { fixed: true, ..FormValues::default() };
    frame.page(&FormPage {
        frame: &frame,
        editing: None,
        is_active: false,
        version: String::new(),
        typed,
        error: None,
        conflict: None,
        preview: None,
    })
}

/// `GET /policies/{name}/edit`.
pub(crate) async fn edit(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    frame: Frame,
) -> Result<Response, Failure> {
    let (policy, is_active) = find(&web, &name).await?;
    if policy.id == PolicyId(0) {
        return Ok(Flash::refused("The default policy stays as it is. Make another one.").at("/policies"));
    }
    let typed = FormValues::of_policy(&policy);
    let (version, editing) = (policy.version(), Some(&*name));
    let page =
        FormPage { frame: &frame, editing, is_active, version, typed, error: None, conflict: None, preview: None };
    Ok(frame.page(&page))
}

/// `POST /policies/new`.
pub(crate) async fn create(
    State(web): State<Arc<Web>>,
    frame: Frame,
    form_data: FormData,
) -> Result<Response, Failure> {
    store(&web, &frame, &form_data, None).await
}

/// `POST /policies/{name}/edit`.
pub(crate) async fn save(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    frame: Frame,
    form_data: FormData,
) -> Result<Response, Failure> {
    let (_, is_active) = find(&web, &name).await?;
    store(&web, &frame, &form_data, Some((&name, is_active))).await
}

async fn store(
    web: &Web,
    frame: &Frame,
    form_data: &FormData,
    editing: Option<(&str, bool)>,
) -> Result<Response, Failure> {
    let mut typed = FormValues::of(form_data);
    if let Some((name, _)) = editing {
        name.clone_into(&mut typed.name);
    }
    let (mut error, mut conflict, mut preview) = (None, None, None);
    let mut version = form_data.get(VERSION).to_owned();
    match typed.rules() {
        Err(wrong) => error = Some(wrong),
        Ok(rules) if form_data.has("preview") => {
            let shown = web.pod.preview_policy(rules).await?;
            preview = Some((in_words(&shown.rules), consequences(&shown)));
        }
        Ok(rules) => match saved(&form_data.on_version(&web.pod), &typed.name, rules, editing.is_some()).await {
            Ok(policy) => {
                let said = match editing {
                    Some((_, true)) => format!("{} was changed; the fleet is brought to it.", policy.name),
                    Some((_, false)) => format!("{} was changed. It is not active.", policy.name),
                    None => format!("{} was made. Apply it to make it the active one.", policy.name),
                };
                return Ok(Flash::done(said).at("/policies"));
            }
            Err(refusal @ (PodError::InvalidName(_) | PodError::PolicyExists(_))) => {
                error = Some(("name", sentence(&refusal)));
            }
            Err(PodError::NotAsExpected { name, .. }) => {
                let (now, _) = find(web, &name).await?;
                version = now.version();
                conflict = Some(Conflict::of(&name, FormValues::of_policy(&now).text(), &typed.text()));
            }
            Err(refusal) => return Err(refusal.into()),
        },
    }
    let status = match (&error, &conflict) {
        (_, Some(_)) => StatusCode::PRECONDITION_FAILED,
        (Some(_), None) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, None) => StatusCode::OK,
    };
    let (editing, is_active) = (editing.map(|(name, _)| name), editing.is_some_and(|(_, active)| active));
    Ok(frame.page_with(status, &FormPage { frame, editing, is_active, version, typed, error, conflict, preview }))
}

async fn saved(pod: &Pod, name: &str, rules: BTreeMap<String, String>, replace: bool) -> Result<Policy, PodError> {
    if replace {
        pod.update_policy(name, rules).await.map(|(policy, _)| policy)
    } else {
        pod.create_policy(name, rules).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_in_words() {
        let words = |text: &str| {
            let rules = Rules::parse_text(text).unwrap();
            in_words(&Rules::parse(rules.iter().map(|(rule, value)| (rule.as_str(), value.as_str()))).unwrap())
                .join(" ")
        };
        assert_eq!(words("fixedWorkers=1"), "Always 1 worker.");
        assert_eq!(words("fixedWorkers=0"), "No worker runs; executions wait.");
        assert_eq!(
            words("minWorkers=2,maxWorkers=8,maxWait=30000"),
            "2 to 8 workers. Grows when an execution would wait longer than 30 s. Lets a worker go after 45 min without work."
        );
    }

    #[test]
    fn what_is_typed_becomes_rules_and_comes_back() {
        let typed = FormValues {
            wait_seconds: "1.5".into(),
            idle_minutes: "2".into(),
            most: "4".into(),
            ..FormValues::default()
        };
        let rules = typed.rules().unwrap();
        assert_eq!((rules["maxWait"].as_str(), rules["terminationTime"].as_str()), ("1500", "120000"));
        let policy = Policy { rules, ..Policy::built_in() };
        let again = FormValues::of_policy(&policy);
        assert_eq!((again.wait_seconds.as_str(), again.idle_minutes.as_str(), again.fixed), ("1.5", "2", false));
        for (typed, field) in [
            (FormValues { fixed: true, ..FormValues::default() }, "workers"),
            (FormValues { fixed: true, workers: "many".into(), ..FormValues::default() }, "workers"),
            (FormValues { wait_seconds: "-1".into(), ..FormValues::default() }, "wait"),
            (FormValues { least: "9".into(), most: "2".into(), ..FormValues::default() }, "least"),
        ] {
            assert_eq!(typed.rules().unwrap_err().0, field, "{typed:?}");
        }
    }
}
