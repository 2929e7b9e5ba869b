//! A task that was handed to a poller counts as delivered when its answer is handed to the connection. Whatever ends
//! an answer earlier (the poller hung up, the connection broke) drops it unconfirmed, and the task goes back.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use crate::service::tasks::Delivery;

type Confirm = Box<dyn FnOnce() + Send>;

/// What is to happen once an answer is delivered, in the extensions of a response. Dropped unused, it drops what it
/// holds.
#[derive(Clone)]
pub(crate) struct Pending(Arc<Mutex<Option<Confirm>>>);

impl Pending {
    pub(crate) fn new(delivery: Delivery) -> Self {
        Self::then(move || delivery.confirm())
    }

    fn then(confirm: impl FnOnce() + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(confirm)))))
    }

    /// The answer has reached its caller.
    pub(crate) fn confirm(&self) {
        if let Some(confirm) = self.take() {
            confirm();
        }
    }

    fn take(&self) -> Option<Confirm> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

/// Confirms the delivery in a response when its body is taken. The last thing that a router does to a response.
pub(crate) async fn confirm_deliveries(mut response: Response) -> Response {
    let pending = response.extensions_mut().remove::<Pending>();
    match pending.and_then(|pending| pending.take()) {
        None => response,
        Some(confirm) => response.map(|body| {
            Body::new(Confirming {
                body,
                confirm: Some(confirm),
            })
        }),
    }
}

/// A body that confirms with its first piece of data.
struct Confirming {
    body: Body,
    confirm: Option<Confirm>,
}

impl HttpBody for Confirming {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && frame.is_data()
            && let Some(confirm) = self.confirm.take()
        {
            confirm();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use http_body_util::BodyExt as _;

    use super::*;

    /// A response with a delivery; the flags say whether it was confirmed, and whether it is still held.
    fn response() -> (Response, Arc<AtomicBool>) {
        let confirmed = Arc::new(AtomicBool::new(false));
        let held = Arc::clone(&confirmed);
        let mut response = Response::new(Body::from("task"));
        response
            .extensions_mut()
            .insert(Pending::then(move || held.store(true, Ordering::SeqCst)));
        (response, confirmed)
    }

    #[tokio::test]
    async fn a_body_that_is_read_confirms() {
        let (response, confirmed) = response();
        let response = confirm_deliveries(response).await;
        assert!(!confirmed.load(Ordering::SeqCst), "not before it is read");
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "task"
        );
        assert!(confirmed.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn an_answer_that_is_dropped_gives_its_delivery_up_unconfirmed() {
        let (response, confirmed) = response();
        drop(confirm_deliveries(response).await);
        assert_eq!(
            (
                confirmed.load(Ordering::SeqCst),
                Arc::strong_count(&confirmed)
            ),
            (false, 1)
        );
    }

    #[tokio::test]
    async fn other_answers_pass() {
        let response = confirm_deliveries(Response::new(Body::from("x"))).await;
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "x"
        );
    }
}
