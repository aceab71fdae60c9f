//! Pages of lists: `{"items":[…],"next":"cursor"?}`, selected by `limit` and `cursor`.

use std::{borrow::Cow, fmt::Display, str::FromStr};

use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema, Type},
};

use super::{
    objects::{ActivityObject, DecisionObject, ExecutionObject, PolicyObject, RevisionObject, WorkerObject},
    problem::Problem,
};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// A page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

pub(super) type ActivityPage = Page<ActivityObject>;
pub(super) type ExecutionPage = Page<ExecutionObject>;
pub(super) type PolicyPage = Page<PolicyObject>;
pub(super) type RevisionPage = Page<RevisionObject>;
pub(super) type ScalingDecisionPage = Page<DecisionObject>;
pub(super) type WorkerPage = Page<WorkerObject>;

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let item = Ref::from_schema_name(T::name());
        let next = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Where the next page begins: its `cursor`. Absent on the last one."));
        ObjectBuilder::new()
            .description(Some("A page of a list."))
            .property("items", ArrayBuilder::new().items(item))
            .required("items")
            .property("next", next)
            .into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// How many items a page is to hold.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::invalid(format!("limit must be from 1 to {MAX_LIMIT}, not {limit}"))),
    }
}

/// A paged list. Its name is part of its cursors, so that those of another list are refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct List(&'static str);

pub(super) const ACTIVITIES: List = List("activities");
pub(super) const REVISIONS: List = List("revisions");
pub(super) const EXECUTIONS: List = List("executions");
pub(super) const WORKERS: List = List("workers");
pub(super) const POLICIES: List = List("policies");
pub(super) const DECISIONS: List = List("decisions");

impl List {
    /// The place that a cursor of this list stands for.
    pub(super) fn after<T: FromStr + ToString>(self, asked: Option<&str>) -> Result<Option<T>, Problem> {
        let Some(text) = asked.filter(|text| !text.is_empty()) else { return Ok(None) };
        let key = text.strip_prefix(self.0).and_then(|rest| rest.strip_prefix('.'));
        // As it was given: a number has one form, and no more than a store can hold.
        let place = key.and_then(|key| key.parse::<T>().ok().filter(|place| place.to_string() == key && is_held(key)));
        place.map(Some).ok_or_else(|| {
            Problem::invalid(
                "cursor must be the next of an earlier page of the same list; leave it out for the first page",
            )
        })
    }

    /// The cursor of a place.
    pub(super) fn cursor(self, place: impl Display) -> String {
        format!("{}.{place}", self.0)
    }
}

/// Not of a number above those that a store can hold.
fn is_held(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(is_storable) || !text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a store can hold a number: they are signed there.
pub(super) fn is_storable(number: u64) -> bool {
    i64::try_from(number).is_ok()
}

impl<T> Page<T> {
    /// A page of what was fetched with one more than the limit; the key of the last item is the cursor.
    pub(super) fn of<K: Display>(list: List, mut fetched: Vec<T>, limit: usize, key: impl Fn(&T) -> K) -> Self {
        let more = fetched.len() > limit;
        fetched.truncate(limit);
        let next = fetched.last().filter(|_| more).map(|last| list.cursor(key(last)));
        Self { items: fetched, next }
    }

    /// The same page of something made of its items.
    pub(super) fn map<U>(self, map: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(map).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_the_next_one_while_there_is_one() {
        let key = |item: &u32| *item;
        assert_eq!(Page::of(WORKERS, vec![5, 4, 3], 2, key).next.as_deref(), Some("workers.4"));
        assert_eq!(Page::of(WORKERS, vec![5, 4], 2, key).next, None);
        assert_eq!(Page::of(WORKERS, vec![], 2, key).next, None);
        assert!(limit(Some(0)).is_err() && limit(Some(1001)).is_err() && limit(None).is_ok());
    }

    #[test]
    fn a_cursor_is_one_of_its_list() {
        assert_eq!(WORKERS.after::<u64>(Some("workers.4")).unwrap(), Some(4));
        assert_eq!(WORKERS.after::<u64>(Some("")).unwrap(), None);
        assert_eq!(ACTIVITIES.after::<String>(Some("activities.a.b")).unwrap().as_deref(), Some("a.b"));
        for wrong in [
            "x",
            "4",
            "executions.4",
            "workers.",
            "workers.+4",
            "workers.04",
            "workers.-4",
            "workers.18446744073709551615",
            "workers.9223372036854775808",
        ] {
            assert!(WORKERS.after::<u64>(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
