//! Lists and maps of a body, with a bound on how much of them is kept: three bytes of JSON may be a hundred in memory.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The first `MOST` items of a list, and how many it had.
#[derive(Debug, Default)]
pub(crate) struct First<T, const MOST: usize> {
    pub(crate) items: Vec<T>,
    pub(crate) count: usize,
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for First<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
            type Value = First<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut first = First { items: Vec::new(), count: 0 };
                while first.items.len() < MOST {
                    let Some(item) = items.next_element()? else { return Ok(first) };
                    first.items.push(item);
                    first.count += 1;
                }
                while items.next_element::<IgnoredAny>()?.is_some() {
                    first.count += 1;
                }
                Ok(first)
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}

/// How many members a map may have.
const MEMBERS: usize = 64 << 10;

/// A map of no more members than an environment could have.
pub(super) fn map<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, V>, D::Error> {
    struct Members<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, value)) = members.next_entry()? {
                if map.len() == MEMBERS {
                    return Err(A::Error::custom(format_args!("an object has more than {MEMBERS} members")));
                }
                // Which of the two would be meant?
                match map.entry(name) {
                    Entry::Vacant(place) => _ = place.insert(value),
                    Entry::Occupied(place) => {
                        return Err(A::Error::custom(format_args!("duplicate field `{}`", place.key())));
                    }
                }
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Members(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_not_kept() {
        let first: First<Option<String>, 2> = serde_json::from_str(r#"["a", null, "b", {"any": []}]"#).unwrap();
        assert_eq!((first.items, first.count), (vec![Some("a".to_owned()), None], 4));
        let all: First<u8, 2> = serde_json::from_str("[1]").unwrap();
        assert_eq!((all.items, all.count), (vec![1], 1));
        assert!(serde_json::from_str::<First<u8, 2>>("[1, 2, 3").is_err());
    }

    #[test]
    fn a_map_of_too_many_members_is_refused() {
        #[derive(Debug, Deserialize)]
        struct Body {
            #[serde(deserialize_with = "map")]
            env: BTreeMap<String, String>,
        }
        let body = |count: usize| {
            let members: Vec<_> = (0..count).map(|at| format!("\"{at}\":\"\"")).collect();
            serde_json::from_str::<Body>(&format!("{{\"env\":{{{}}}}}", members.join(",")))
        };
        assert_eq!(body(MEMBERS).unwrap().env.len(), MEMBERS);
        let twice = serde_json::from_str::<Body>(r#"{"env":{"A":"1","A":"2"}}"#).unwrap_err();
        assert!(super::super::parse_errors::of_json(&twice).contains("The member A is there twice"), "{twice}");
        assert!(body(MEMBERS + 1).unwrap_err().to_string().contains("more than 65536 members"));
    }
}
