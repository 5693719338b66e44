//! Extractors and answers for axum.

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::{Answer, Asked, Refusal};

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        Self::into_response(self)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        Self::into_response(self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let without = (StatusCode::INTERNAL_SERVER_ERROR, "this route is outside of Homing's layer");
        parts.extensions.get::<Self>().cloned().ok_or(without)
    }
}
