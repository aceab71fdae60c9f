//! Pages of lists: `{"items":[…],"next":"cursor"?}`, asked for by `limit` and `cursor`.

use std::borrow::Cow;

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

/// A cursor that this API gave.
pub(super) fn cursor<T: std::str::FromStr>(asked: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(text) = asked.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Problem::invalid("cursor must be the next of an earlier page"))
}

impl<T> Page<T> {
    /// A page of what was fetched with one more than the limit; the key of the last item is the cursor.
    pub(super) fn of<K: ToString>(mut fetched: Vec<T>, limit: usize, key: impl Fn(&T) -> K) -> Self {
        let more = fetched.len() > limit;
        fetched.truncate(limit);
        let next = fetched.last().filter(|_| more).map(|last| key(last).to_string());
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
        assert_eq!(Page::of(vec![5, 4, 3], 2, key).next.as_deref(), Some("4"));
        assert_eq!(Page::of(vec![5, 4], 2, key).next, None);
        assert_eq!(Page::of(vec![], 2, key).next, None);
        assert!(limit(Some(0)).is_err() && limit(Some(1001)).is_err() && limit(None).is_ok());
        assert!(cursor::<u64>(Some("x")).is_err());
        assert_eq!(cursor::<u64>(Some("")).unwrap(), None);
    }
}
