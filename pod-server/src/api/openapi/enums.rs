//! Schemas of domain enums, derived from how the enum itself is deserialised.

use std::{borrow::Cow, marker::PhantomData};

use pod_core::domain::{
    ActivityStatus, EventKind, ExecutionStatus, InstallationStatus, Isolation, Network, OnLost, RevisionStatus,
    ScriptSource, Stream, Workdir, WorkerStatus,
};
use serde::{
    Deserialize, Deserializer,
    de::{Visitor, value::Error},
    forward_to_deserialize_any,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// The schema of one of the words that an enum has.
#[derive(Debug)]
pub(in crate::api) struct Word<T>(PhantomData<T>);

pub(in crate::api) type ActivityStatusWord = Word<ActivityStatus>;
pub(in crate::api) type EventKindWord = Word<EventKind>;
pub(in crate::api) type ExecutionStatusWord = Word<ExecutionStatus>;
pub(in crate::api) type InstallationStatusWord = Word<InstallationStatus>;
pub(in crate::api) type IsolationWord = Word<Isolation>;
pub(in crate::api) type NetworkWord = Word<Network>;
pub(in crate::api) type OnLostWord = Word<OnLost>;
pub(in crate::api) type RevisionStatusWord = Word<RevisionStatus>;
pub(in crate::api) type SourceWord = Word<ScriptSource>;
pub(in crate::api) type StreamWord = Word<Stream>;
pub(in crate::api) type WorkdirWord = Word<Workdir>;
pub(in crate::api) type WorkerStatusWord = Word<WorkerStatus>;

impl<T: for<'de> Deserialize<'de>> PartialSchema for Word<T> {
    fn schema() -> RefOr<Schema> {
        let (_, words) = names_of::<T>();
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
    }
}

impl<T: for<'de> Deserialize<'de>> ToSchema for Word<T> {
    fn name() -> Cow<'static, str> {
        names_of::<T>().0.into()
    }
}

/// The name of an enum and the words of its variants.
fn names_of<T: for<'de> Deserialize<'de>>() -> (&'static str, Vec<&'static str>) {
    let mut asked = ("", Vec::new());
    // It asks for what it could be, gets nothing, and says so.
    let _ = T::deserialize(Listener(&mut asked));
    asked
}

/// A deserializer that yields nothing, and records what it was asked for.
struct Listener<'a>(&'a mut (&'static str, Vec<&'static str>));

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("there is nothing"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = (name, variants.to_vec());
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enum_tells_its_words() {
        let statuses: Vec<_> = ExecutionStatus::ALL.iter().map(|status| status.as_str()).collect();
        assert_eq!(names_of::<ExecutionStatus>(), ("ExecutionStatus", statuses));
        assert_eq!(names_of::<ScriptSource>(), ("ScriptSource", vec!["url", "inline", "directory"]));
        assert_eq!(names_of::<OnLost>().1, ["requeue", "fail"]);
    }
}
