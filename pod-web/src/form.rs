//! Form data, accepted only with the token that our own pages put into their forms: a page of another site can post here,
//! but cannot read the token. [`guard`] checks the headers of the browser first.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Multipart, Request},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use pod_core::{
    Pod,
    api::{Expected, Terms},
};
use sha2::{Digest, Sha256};

use crate::{failure::Failure, origin, web::Web};

/// The fields of a form of ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct FormData {
    fields: Vec<(String, String)>,
    /// Identifies the submission: the same again for a second click, a reload, a retry on a slow link.
    key: Option<String>,
}

impl FormData {
    /// In bytes: many inputs at once, each byte of which may take three.
    pub(crate) const MAX_SIZE: usize = 32 << 20;

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

    /// The pod, for the one thing that this form asks for: sent again, it is not done again.
    pub(crate) fn on(&self, pod: &Pod) -> Pod {
        pod.on(Terms { key: self.key.clone(), expected: None })
    }

    /// The same, as long as what is changed is what the form was made from.
    pub(crate) fn on_version(&self, pod: &Pod) -> Pod {
        let version = Some(self.get(VERSION)).filter(|version| !version.is_empty());
        let expected = version.map(|version| Expected::OneOf(vec![version.to_owned()]));
        pod.on(Terms { key: self.key.clone(), expected })
    }

    /// The idempotency key where the form asks for more than one thing.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The token of a form is another one each time that it is shown, and what was typed is a part of it too: who goes
    /// back and types something else wants something else.
    fn keyed(self, path: &str) -> Self {
        let mut hash = Sha256::new();
        for text in [path].into_iter().chain(self.fields.iter().flat_map(|(name, value)| [&**name, &**value])) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        Self { key: Some(format!("form {:x}", hash.finalize())), ..self }
    }

    /// Where the form wants to lead back to, else `otherwise`.
    pub(crate) fn back<'a>(&'a self, otherwise: &'a str) -> &'a str {
        Some(self.get("back")).filter(|back| !back.is_empty()).unwrap_or(otherwise)
    }

    pub(crate) fn parse(body: &[u8]) -> Result<Self, Failure> {
        let mut fields = Vec::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if fields.len() == MAX_FIELDS {
                return Err(too_many());
            }
            fields.push((name.into_owned(), value.replace("\r\n", "\n")));
        }
        Ok(Self { fields, key: None })
    }

    /// A form with files in it. The text of a file is taken as it is.
    async fn of_parts(mut parts: Multipart) -> Result<Self, Failure> {
        let mut fields = Vec::new();
        while let Some(part) = parts.next_field().await.map_err(|_| too_large())? {
            if fields.len() == MAX_FIELDS {
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
        Ok(Self { fields, key: None })
    }
}

/// The field with the version that a form was made from.
pub(crate) const VERSION: &str = "version";

/// Fields of a form: more than any of ours has, with every row of a list chosen.
const MAX_FIELDS: usize = 10_000;

fn too_many() -> Failure {
    let sentence = format!("The form has more than {MAX_FIELDS} fields. Choose fewer at once.");
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, sentence)
}

fn too_large() -> Failure {
    let most = FormData::MAX_SIZE >> 20;
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("The form is larger than {most} MiB, or ended early. Send less at once, or use pod map."),
    )
}

impl FromRequest<Arc<Web>> for FormData {
    type Rejection = Failure;

    async fn from_request(request: Request, web: &Arc<Web>) -> Result<Self, Failure> {
        let (headers, path) = (request.headers().clone(), request.uri().path().to_owned());
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let form = if kind.starts_with("multipart/form-data") {
            Self::of_parts(Multipart::from_request(request, web).await.map_err(|_| too_large())?).await?
        } else {
            let body = axum::body::to_bytes(request.into_body(), Self::MAX_SIZE).await.map_err(|_| too_large())?;
            Self::parse(&body)?
        };
        if !web.made_form(&headers, form.get("form")) {
            return Err(Failure::new(
                StatusCode::FORBIDDEN,
                "This form was not made by a page of this manager. Open the page anew and try again.",
            ));
        }
        Ok(form.keyed(&path))
    }
}

/// Refuses changing requests that a page of another site may have made, for every path of the dashboard.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    if !request.method().is_safe()
        && let Err(reason) = origin::check(&request)
    {
        return Failure::new(StatusCode::FORBIDDEN, format!("{reason}.")).into_response();
    }
    next.run(request).await
}
