//! What a form sent. It is taken only when it carries what our own pages put into their forms: a page of another site
//! can post here, and cannot read that. [`guard`] looks at what the browser says before anything else does.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Multipart, Request},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{Web, failure::Failure, origin};

/// A form of ours, filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filled {
    fields: Vec<(String, String)>,
}

impl Filled {
    /// The largest form: many inputs at once, each byte of which may take three.
    pub(crate) const LARGEST: usize = 32 << 20;

    /// A field; empty where it was not sent. Browsers send line ends as CRLF; they become LF.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.fields.iter().find_map(|(field, value)| (field == name).then_some(value.as_str())).unwrap_or_default()
    }

    /// Whether a field was sent at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// All values of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter_map(move |(field, value)| (field == name).then_some(value.as_str()))
    }

    /// Where the form wants to lead back to, else `otherwise`.
    pub(crate) fn back<'a>(&'a self, otherwise: &'a str) -> &'a str {
        Some(self.get("back")).filter(|back| !back.is_empty()).unwrap_or(otherwise)
    }

    pub(crate) fn parse(body: &[u8]) -> Result<Self, Failure> {
        let mut fields = Vec::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if fields.len() == MOST_FIELDS {
                return Err(too_many());
            }
            fields.push((name.into_owned(), value.replace("\r\n", "\n")));
        }
        Ok(Self { fields })
    }

    /// A form with files in it. The text of a file is taken as it is.
    async fn of_parts(mut parts: Multipart) -> Result<Self, Failure> {
        let mut fields = Vec::new();
        while let Some(part) = parts.next_field().await.map_err(|_| too_large())? {
            if fields.len() == MOST_FIELDS {
                return Err(too_many());
            }
            let name = part.name().unwrap_or_default().to_owned();
            let file = part.file_name().map(str::to_owned);
            let bytes = part.bytes().await.map_err(|_| too_large())?;
            let text = String::from_utf8(bytes.to_vec()).map_err(|_| {
                let file = file.as_deref().unwrap_or("what was typed");
                let sentence = format!(
                    "{file} is not valid UTF-8 text, which an input must be. Encode it, for example as base64."
                );
                Failure::new(StatusCode::UNPROCESSABLE_ENTITY, sentence)
            })?;
            fields.push((name, if file.is_some() { text } else { text.replace("\r\n", "\n") }));
        }
        Ok(Self { fields })
    }
}

/// How many fields a form may have: more than any of ours, with every row of a list chosen.
const MOST_FIELDS: usize = 10_000;

fn too_many() -> Failure {
    let sentence = format!("The form has more than {MOST_FIELDS} fields. Choose fewer at once.");
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, sentence)
}

fn too_large() -> Failure {
    let most = Filled::LARGEST >> 20;
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("The form is larger than {most} MiB, or ended early. Send less at once, or use pod map."),
    )
}

impl FromRequest<Arc<Web>> for Filled {
    type Rejection = Failure;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Failure> {
        let headers = request.headers().clone();
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let filled = if kind.starts_with("multipart/form-data") {
            Self::of_parts(Multipart::from_request(request, web).await.map_err(|_| too_large())?).await?
        } else {
            let body = axum::body::to_bytes(request.into_body(), Self::LARGEST).await.map_err(|_| too_large())?;
            Self::parse(&body)?
        };
        if !web.made_form(&headers, filled.get("form")) {
            return Err(Failure::new(
                StatusCode::FORBIDDEN,
                "This form was not made by a page of this manager. Open the page anew and try again.",
            ));
        }
        Ok(filled)
    }
}

/// Refuses what could change something where a page of another site may have made it: for every path of the dashboard,
/// whoever serves it.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    if !request.method().is_safe()
        && let Err(reason) = origin::check(&request)
    {
        return Failure::new(StatusCode::FORBIDDEN, format!("{reason}.")).into_response();
    }
    next.run(request).await
}
