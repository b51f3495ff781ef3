use std::borrow::Cow;

/// Several texts in one input: a byte FF, which no text has, stands between them. What is missing
/// is empty.
pub(crate) fn split<const N: usize>(bytes: &[u8]) -> [Cow<'_, str>; N] {
    let mut parts = bytes.splitn(N, |byte| *byte == 0xFF);
    std::array::from_fn(|_| String::from_utf8_lossy(parts.next().unwrap_or_default()))
}
