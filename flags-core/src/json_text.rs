//! Values as people and programs read them: JSON.

use core::fmt::{self, Display, Formatter};

use serde::Serialize;

/// Displays a value as JSON text.
pub(crate) struct JsonText<T>(pub(crate) T);

impl<T: Serialize> Display for JsonText<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

/// Writes texts as a JSON list, with room between them.
pub(crate) fn write_list<T: Serialize>(
    f: &mut Formatter<'_>,
    texts: impl Iterator<Item = T>,
) -> fmt::Result {
    f.write_str("[")?;
    for (index, text) in texts.enumerate() {
        write!(f, "{}{}", if index == 0 { "" } else { ", " }, JsonText(text))?;
    }
    f.write_str("]")
}
