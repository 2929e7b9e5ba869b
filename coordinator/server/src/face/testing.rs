//! A face over a coordinator in memory, for the tests of both faces.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio_util::sync::CancellationToken;

use super::Face;
use crate::auth::{Access, Authenticator, require};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::service::Service;

/// A face, and what drains it.
pub(crate) async fn face() -> (Arc<Face>, CancellationToken) {
    face_with(Config::default()).await
}

/// As [`face`], with settings.
pub(crate) async fn face_with(config: Config) -> (Arc<Face>, CancellationToken) {
    let config = Config {
        ephemeral: true,
        partitions: 1,
        ..config
    };
    let running = crate::serve::open::open(&config, Metrics::default())
        .await
        .expect("memory can be opened");
    let service = Service::new(running.shared.clone(), &config);
    let drain = CancellationToken::new();
    (
        Arc::new(Face::new(
            service,
            &config.limits,
            Metrics::default(),
            drain.clone(),
        )),
        drain,
    )
}

/// `router` as it is served: behind authentication that takes everybody.
pub(crate) fn admitting(router: Router) -> Router {
    judging(router, &Config::default())
}

/// `router` as it is served by an installation with these settings.
pub(crate) fn judging(router: Router, config: &Config) -> Router {
    let access = Arc::new(Access::of(config).expect("policies of tests can be read"));
    let clock = Arc::new(SystemClock::default());
    let authenticator = Authenticator::new(config, access, clock);
    router.layer(from_fn_with_state(authenticator, require))
}
