//! The actions on an execution: forms that lead back with a message.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use pod_core::PodError;

use super::query::id_of;
use crate::{failure::Failure, flash::Flash, form::FormData, sentence::sentence, web::Web};

/// `POST /executions/{id}/terminate`.
pub(crate) async fn terminate(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    form_data: FormData,
) -> Result<Response, Failure> {
    let id = id_of(&id)?;
    let flash = match form_data.on(&web.pod).request_termination(id).await {
        Ok(execution) if execution.status.is_terminal() => Flash::done(format!("Execution #{id} was terminated.")),
        Ok(_) => Flash::done(format!(
            "Execution #{id} is being terminated: its program was asked to end, and is killed if it does not."
        )),
        Err(PodError::AlreadyEnded(_)) => {
            Flash::refused(format!("Execution #{id} had ended before it could be terminated."))
        }
        Err(error) => return Err(error.into()),
    };
    Ok(flash.at(form_data.back(&format!("/executions/{id}"))))
}

/// `POST /executions/{id}/retry`: leads to the new execution.
pub(crate) async fn retry(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    form_data: FormData,
) -> Result<Response, Failure> {
    let id = id_of(&id)?;
    match form_data.on(&web.pod).retry(id).await {
        Ok(new) => {
            Ok(Flash::done(format!("This is #{}, which runs #{id} again.", new.id))
                .at(&format!("/executions/{}", new.id)))
        }
        Err(
            error @ (PodError::Overloaded
            | PodError::Stopped
            | PodError::Crashed(_)
            | PodError::Store(_)
            | PodError::NoSuchExecution(_)),
        ) => Err(error.into()),
        Err(error) => Ok(Flash::refused(sentence(&error)).at(&format!("/executions/{id}"))),
    }
}
