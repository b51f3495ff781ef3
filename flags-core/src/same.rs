//! Equality of short texts without a call.

/// Whether two texts are equal.
///
/// Keys and names are short and of lengths that the compiler cannot know, so that `==` would call
/// the C library for each: for up to 32 bytes a few overlapping loads decide instead.
#[inline]
pub(crate) fn same(a: &str, b: &str) -> bool {
    same_bytes(a.as_bytes(), b.as_bytes())
}

/// [`same`], of bytes.
#[inline]
pub(crate) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0..=3 => a.iter().zip(b).all(|(a, b)| a == b),
        4..=7 => both_ends::<4>(a, b),
        8..=16 => both_ends::<8>(a, b),
        17..=32 => both_ends::<16>(a, b),
        _ => a == b,
    }
}

/// Whether the first and the last `N` bytes are the same: all of a text of up to 2 `N` bytes.
#[inline]
fn both_ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
    a.first_chunk::<N>() == b.first_chunk::<N>() && a.last_chunk::<N>() == b.last_chunk::<N>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn every_byte_counts_at_every_length() {
        for length in 0..=70 {
            let text: String = ('0'..='z').cycle().take(length).collect();
            assert!(same(&text, &text.clone()), "{length} bytes");
            assert!(!same(&text, &(text.clone() + "x")), "{length} bytes and one more");
            for index in 0..length {
                let mut other = text.clone();
                other.replace_range(index..=index, "~");
                assert!(!same(&text, &other), "{length} bytes, different at {index}");
            }
        }
    }
}
