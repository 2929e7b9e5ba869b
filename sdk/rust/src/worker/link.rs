//! The connection to the coordinator: waiting, connecting, or open. It comes back by itself with growing delays.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::uri::PathAndQuery;
use tokio::time::{Sleep, sleep, timeout};
use tonic::{Request, Streaming};

use super::frame::FrameCodec;
use super::outbox::Outgoing;
use crate::api::{CoordinatorMessage, CreateActivityRequest};
use crate::backoff::{Backoff, jittered};
use crate::client::Client;
use crate::error::Error;

/// Largest message that is accepted, bytes: a batch of pushes with their inputs.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// From the first packet to `welcome`.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
const DELAY_FIRST: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(5);

/// What happened on the connection.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// It is time to [`Link::connect`].
    Due,
    /// The first message of a connection; it holds `welcome`.
    Welcome(CoordinatorMessage),
    Message(CoordinatorMessage),
    /// The coordinator ended the stream in order: it has heard everything, or does not want to.
    Ended,
    /// The connection is gone, or did not come up.
    Down(Error),
}

/// One connection after the other.
pub(crate) struct Link {
    client: Client,
    /// Names of activities to create before the first connection.
    missing: Arc<[String]>,
    backoff: Backoff,
    state: State,
}

enum State {
    Waiting(Pin<Box<Sleep>>),
    Connecting(BoxFuture<'static, Result<Greeted, Error>>),
    Open(Box<Streaming<CoordinatorMessage>>),
}

/// A new stream and its first message.
struct Greeted(Box<Streaming<CoordinatorMessage>>, CoordinatorMessage);

impl Link {
    /// A link that is due at once; it creates the activities in `missing` first.
    pub(crate) fn new(client: Client, missing: Vec<String>) -> Self {
        Self {
            client,
            missing: missing.into(),
            backoff: Backoff::new(DELAY_FIRST, DELAY_MAX),
            state: State::Waiting(Box::pin(sleep(Duration::ZERO))),
        }
    }

    /// Starts a connection that sends `outgoing`.
    pub(crate) fn connect(&mut self, outgoing: Outgoing) {
        let (client, missing) = (self.client.clone(), Arc::clone(&self.missing));
        self.state = State::Connecting(Box::pin(async move {
            let greeting = async {
                create(&client, &missing).await?;
                greet(&client, outgoing).await
            };
            timeout(GREETING_TIMEOUT, greeting)
                .await
                .unwrap_or_else(|_| {
                    Err(Error::Transport(
                        "the coordinator did not answer in time".to_owned(),
                    ))
                })
        }));
    }

    /// Leaves the connection and is due again after about this time.
    pub(crate) fn leave(&mut self, after: Duration) {
        self.state = State::Waiting(Box::pin(sleep(after)));
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The next event. Nothing is lost when the future is dropped before it is done.
    pub(crate) async fn next(&mut self) -> LinkEvent {
        let result = match &mut self.state {
            State::Waiting(sleep) => {
                sleep.as_mut().await;
                return LinkEvent::Due;
            }
            State::Connecting(connecting) => match connecting.await {
                Ok(Greeted(stream, first)) => {
                    self.missing = Arc::default();
                    self.backoff.reset();
                    self.state = State::Open(stream);
                    return LinkEvent::Welcome(first);
                }
                Err(error) => Err(error),
            },
            State::Open(stream) => stream.message().await.map_err(Error::from),
        };
        let error = match result {
            Ok(Some(message)) => return LinkEvent::Message(message),
            Ok(None) => {
                let own = self.backoff.next_delay();
                self.leave(own);
                return LinkEvent::Ended;
            }
            Err(error) => error,
        };
        let own = self.backoff.next_delay();
        self.leave(error.retry_after().map_or(own, |hint| hint + jittered(own)));
        LinkEvent::Down(error)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting(_) => "Waiting",
            State::Connecting(_) => "Connecting",
            State::Open(_) => "Open",
        };
        f.debug_struct("Link")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

async fn greet(client: &Client, outgoing: Outgoing) -> Result<Greeted, Error> {
    let mut service =
        tonic::client::Grpc::new(client.service()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    service.ready().await?;
    let path = PathAndQuery::from_static("/stepfleet.v1.FleetService/Work");
    let response = service
        .streaming(Request::new(outgoing), path, FrameCodec)
        .await?;
    let mut stream = Box::new(response.into_inner());
    match stream.message().await? {
        Some(first) if first.welcome.is_some() => Ok(Greeted(stream, first)),
        Some(_) | None => Err(Error::Transport(
            "the coordinator did not begin with a welcome".to_owned(),
        )),
    }
}

/// Creates activities by name; of an ARN, its last part counts.
async fn create(client: &Client, activities: &[String]) -> Result<(), Error> {
    for activity in activities {
        let name = activity.rsplit(':').next().unwrap_or(activity).to_owned();
        let request = CreateActivityRequest {
            name,
            ..Default::default()
        };
        match client.create_activity(request).await {
            // Who may work need not be allowed to create; whether the activity is there the answer to `hello` tells.
            Err(error) if error.reason() == Some("AccessDeniedException") => {}
            created => drop(created?),
        }
    }
    Ok(())
}
