//! What a panic said.

use std::{any::Any, sync::Arc};

/// What a panic said.
pub(super) fn said_in(panic: &(dyn Any + Send)) -> Arc<str> {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it did not say why").into()
}
