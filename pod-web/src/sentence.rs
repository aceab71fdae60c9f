//! Errors as sentences of a page.

use pod_core::PodError;

/// An error as a sentence with its full stop.
pub(crate) fn sentence(error: &PodError) -> String {
    as_sentence(error.to_string())
}

/// The same of its text.
pub(crate) fn as_sentence(mut text: String) -> String {
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}
