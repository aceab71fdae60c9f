//! Lists and maps of a body with bounded memory: three bytes of JSON may take a hundred.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The first `MAX` items of a list, and how many it had.
#[derive(Debug, Default)]
pub(crate) struct Truncated<T, const MAX: usize> {
    pub(crate) items: Vec<T>,
    pub(crate) count: usize,
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Truncated<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = Truncated<T, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut first = Truncated { items: Vec::new(), count: 0 };
                while first.items.len() < MAX {
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

/// Members that a map may have.
const MAX_MEMBERS: usize = 64 << 10;

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
                if map.len() == MAX_MEMBERS {
                    return Err(A::Error::custom(format_args!("an object has more than {MAX_MEMBERS} members")));
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
        let first: Truncated<Option<String>, 2> = serde_json::from_str(r#"["a", null, "b", {"any": []}]"#).unwrap();
        assert_eq!((first.items, first.count), (vec![Some("a".to_owned()), None], 4));
        let all: Truncated<u8, 2> = serde_json::from_str("[1]").unwrap();
        assert_eq!((all.items, all.count), (vec![1], 1));
        assert!(serde_json::from_str::<Truncated<u8, 2>>("[1, 2, 3").is_err());
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
        assert_eq!(body(MAX_MEMBERS).unwrap().env.len(), MAX_MEMBERS);
        let twice = serde_json::from_str::<Body>(r#"{"env":{"A":"1","A":"2"}}"#).unwrap_err();
        assert!(super::super::parse_errors::of_json(&twice).contains("The member A is there twice"), "{twice}");
        assert!(body(MAX_MEMBERS + 1).unwrap_err().to_string().contains("more than 65536 members"));
    }
}
