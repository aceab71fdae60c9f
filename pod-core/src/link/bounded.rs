//! Lists, maps and texts of messages, with a bound on each: two bytes of a frame may be fifty in memory.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// More attempts than any worker holds: those in its slots, those ahead, and ends that are on their way.
pub(super) const ATTEMPTS: usize = 16 << 10;
/// More installations than a hello tells of.
pub(super) const INSTALLATIONS: usize = 16 << 10;
/// More variables than fit into an environment that is taken.
pub(super) const VARIABLES: usize = 64 << 10;
/// What is said to people is a sentence and the end of some output.
pub(crate) const TEXT: usize = 64 << 10;

/// A list of at most `MOST`.
pub(super) fn list<'de, const MOST: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct List<const MOST: usize, T>(PhantomData<T>);

    impl<'de, const MOST: usize, T: Deserialize<'de>> Visitor<'de> for List<MOST, T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MOST {
                    return Err(A::Error::custom(format_args!("a list of more than {MOST}")));
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(List::<MOST, T>(PhantomData))
}

/// An environment.
pub(super) fn environment<'de, E, D>(deserializer: D) -> Result<E, D::Error>
where
    E: From<BTreeMap<String, String>>,
    D: Deserializer<'de>,
{
    struct Environment;

    impl<'de> Visitor<'de> for Environment {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {VARIABLES} variables")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Self::Value, A::Error> {
            let mut environment = BTreeMap::new();
            while let Some((name, value)) = pairs.next_entry()? {
                if environment.len() == VARIABLES {
                    return Err(A::Error::custom(format_args!("more than {VARIABLES} variables")));
                }
                environment.insert(name, value);
            }
            Ok(environment)
        }
    }

    deserializer.deserialize_map(Environment).map(E::from)
}

/// Text for people, of which only the beginning is kept where it is very long.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text[..text.floor_char_boundary(TEXT)].to_owned())
        }
    }

    deserializer.deserialize_str(Text)
}
