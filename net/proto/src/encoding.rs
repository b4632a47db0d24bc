//! Canonical bytes: postcard with fixed field order, bounded before allocation.
//!
//! postcard accepts non-minimal varints and ignores trailing bytes, so a decoder takes the value,
//! requires an empty rest, encodes again and requires the same bytes. Ids, MACs and signatures
//! cover the received bytes (docs/protocol.md, "Encoding").

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Reject;

/// The canonical bytes of a value.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Only sequences of unknown length fail, and our types have none; an empty result decodes nowhere.
    postcard::to_allocvec(value).unwrap_or_default()
}

/// Decodes a value from exactly these bytes, of which there may be at most `max`.
///
/// # Errors
/// [`Reject::TooLong`] and [`Reject::Encoding`]; the attacker controls `bytes`.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, Reject> {
    if bytes.len() > max {
        return Err(Reject::TooLong);
    }
    let (value, rest) =
        postcard::take_from_bytes::<T>(bytes).map_err(|_malformed| Reject::Encoding)?;
    if !rest.is_empty() || encode(&value) != bytes {
        return Err(Reject::Encoding);
    }
    Ok(value)
}

/// Splits the tag of an append-only enum from what follows it. Tags stay below 128, so that one byte
/// is the same as postcard's varint.
pub(crate) fn split_tag(bytes: &[u8]) -> Result<(u8, &[u8]), Reject> {
    match bytes.split_first() {
        Some((tag, rest)) if *tag < 128 => Ok((*tag, rest)),
        Some(_) | None => Err(Reject::Encoding),
    }
}

/// A tag and the canonical bytes of what it stands for.
pub(crate) fn tagged<T: Serialize>(tag: u8, value: &T) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&encode(value));
    bytes
}

/// At most `N` bytes; more are refused before they are copied.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes<const N: usize>(Vec<u8>);

impl<const N: usize> Bytes<N> {
    /// Takes bytes that fit; none otherwise.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= N).then_some(Self(bytes))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const N: usize> Deref for Bytes<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded<const N: usize>;
        impl<const N: usize> Visitor<'_> for Bounded<N> {
            type Value = Bytes<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {N} bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes<N>, E> {
                if bytes.len() > N {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bounded::<N>)
    }
}

/// A text of at most `N` bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Text<const N: usize>(String);

impl<const N: usize> Text<N> {
    /// Takes a text that fits; none otherwise.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.len() <= N).then_some(Self(text))
    }

    /// The text itself.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text of {} bytes", self.0.len())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded<const N: usize>;
        impl<const N: usize> Visitor<'_> for Bounded<N> {
            type Value = Text<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text of at most {N} bytes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<N>, E> {
                if text.len() > N {
                    return Err(E::invalid_length(text.len(), &self));
                }
                Ok(Text(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Bounded::<N>)
    }
}

/// At most `N` items; a longer list is refused at its length, before any item is read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct List<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const N: usize> List<T, N> {
    /// Takes a list that fits; none otherwise.
    #[must_use]
    pub fn new(items: Vec<T>) -> Option<Self> {
        (items.len() <= N).then_some(Self(items))
    }

    /// Takes the first `N` items and drops the rest.
    pub fn first(items: impl IntoIterator<Item = T>) -> Self {
        Self(items.into_iter().take(N).collect())
    }

    /// The items themselves.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for List<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Bounded<T, N> {
            type Value = List<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {N} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T, N>, A::Error> {
                if let Some(len) = seq.size_hint().filter(|len| *len > N) {
                    return Err(A::Error::invalid_length(len, &self));
                }
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() == N {
                        return Err(A::Error::invalid_length(N.saturating_add(1), &self));
                    }
                    items.push(item);
                }
                Ok(List(items))
            }
        }
        deserializer.deserialize_seq(Bounded::<T, N>(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_bytes_of_a_value_are_taken() {
        let value: (u32, List<u8, 4>, Text<8>) =
            (300, List::new(vec![1, 2, 3]).unwrap(), Text::new("kith").unwrap());
        let bytes = encode(&value);
        assert_eq!(decode(&bytes, 64), Ok(value));
        let mut trailing = bytes.clone();
        trailing.push(0);
        assert_eq!(decode::<(u32, List<u8, 4>, Text<8>)>(&trailing, 64), Err(Reject::Encoding));
        assert_eq!(decode::<u32>(&[0x81, 0x00], 64), Err(Reject::Encoding), "non-minimal varint");
        assert_eq!(decode::<u32>(&[1], 0), Err(Reject::TooLong));
    }

    #[test]
    fn a_text_is_what_was_written() {
        let text = Text::<8>::new("two").unwrap();
        assert_eq!((&*text, text.clone().into_string()), ("two", "two".to_owned()));
    }

    #[test]
    fn a_list_text_or_bytes_over_its_bound_is_refused() {
        assert_eq!(
            decode::<List<u8, 2>>(&encode(&[1_u8, 2, 3].to_vec()), 64),
            Err(Reject::Encoding)
        );
        assert_eq!(decode::<Text<2>>(&encode("abc"), 64), Err(Reject::Encoding));
        assert_eq!(decode::<Bytes<2>>(&[3, 1, 2, 3], 64), Err(Reject::Encoding));
        assert_eq!(decode::<Bytes<3>>(&[3, 1, 2, 3], 64).map(Bytes::into_vec), Ok(vec![1, 2, 3]));
        // A length of 2^60 in nine bytes allocates nothing.
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(decode::<List<u8, 1000>>(&huge, 64), Err(Reject::Encoding));
    }
}
