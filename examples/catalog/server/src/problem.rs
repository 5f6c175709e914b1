//! What went wrong, as a sentence for the user; the details are for stderr.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    sentence: String,
    /// Which part of the user's input it is about, so that the page can lead there.
    field: Option<&'static str>,
    detail: Option<String>,
}

impl Problem {
    pub fn new(status: StatusCode, sentence: impl Into<String>) -> Problem {
        Problem { status, sentence: sentence.into(), field: None, detail: None }
    }

    /// The user's own input is not right.
    pub fn input(sentence: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, sentence)
    }

    pub fn about(mut self, field: &'static str) -> Problem {
        self.field = Some(field);
        self
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> Problem {
        self.detail = Some(detail.into());
        self
    }

    #[cfg(test)]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub fn sentence(&self) -> &str {
        &self.sentence
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Some(detail) = self.detail {
            eprintln!("catalog-server: {detail}");
        }
        (self.status, Json(json!({ "problem": self.sentence, "field": self.field }))).into_response()
    }
}
