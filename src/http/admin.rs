//! The door to the API and the metrics: the admin token, compared in constant time.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Rooms;
use super::problem::Problem;

/// Lets a request through when it carries the admin token.
pub(super) async fn guard<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let given = given.and_then(|v| v.strip_prefix("Bearer ").or_else(|| v.strip_prefix("bearer "))).map(str::trim);
    let rooms = request.app_data::<web::Data<Rooms>>();
    let open = match (rooms, given) {
        // Hashes have one length, so that not even the token's length can be timed.
        (Some(rooms), Some(given)) => {
            let wanted = Sha256::digest(rooms.admin_token.expose().as_bytes());
            bool::from(wanted.as_slice().ct_eq(Sha256::digest(given.as_bytes()).as_slice()))
        }
        (None, _) | (_, None) => false,
    };
    if open {
        next.call(request).await.map(ServiceResponse::map_into_left_body)
    } else {
        Ok(request.into_response(Problem::unauthorized().error_response()).map_into_right_body())
    }
}
