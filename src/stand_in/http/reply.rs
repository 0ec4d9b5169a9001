//! Small bricks of answers and requests over HTTP: JSON out, JSON in.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::stand_in::http::error::ApiError;

/// An answer in JSON. The status must be a valid one.
pub fn json_response(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("the statuses of this server are valid");
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

pub fn error_response(error: &ApiError) -> Response {
    json_response(error.status, &error.body())
}

/// A body that is declared as JSON. What it holds is read elsewhere.
pub struct JsonBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let declared = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
        if !declared {
            return Err(error_response(&ApiError::media_type()));
        }
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(IntoResponse::into_response)
    }
}
