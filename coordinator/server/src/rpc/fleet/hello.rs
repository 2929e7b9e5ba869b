//! What a worker says of itself when it connects, held against its bounds.

use std::sync::Arc;

use stepfleet_asl::resource::{Pattern, Resource};
use stepfleet_engine::SessionId;
use stepfleet_proto::v1::Hello;

use crate::fleet::session::About;
use crate::service::error::{ApiError, ErrorCode};
use crate::service::workers::{TEXT_CHARS_MAX, check_labels};

/// Activities that one worker process may serve, connectors included.
const ACTIVITIES_MAX: usize = 1000;

/// What a worker serves: activities, and behind them connectors, whose starts wait in the queues of activities.
pub(super) struct Wanted {
    pub(super) activity: String,
    pub(super) slots: u32,
    /// Tasks a second; 0 is no bound.
    pub(super) max_rate: f64,
    /// Of a connector: the place of its work, empty when it has none.
    pub(super) place: Option<Arc<str>>,
}

impl Wanted {
    pub(super) fn of(hello: &Hello) -> Result<Vec<Self>, ApiError> {
        let refuse = |message: String| Err(ApiError::new(ErrorCode::ValidationException, message));
        let activities = hello.activities.iter().map(|wanted| Self {
            activity: wanted.activity.clone(),
            slots: wanted.slots,
            max_rate: wanted.max_rate,
            place: None,
        });
        let mut wanted: Vec<Self> = activities.collect();
        for connector in &hello.connectors {
            let name = &connector.connector;
            let resource = format!("arn:aws:states:::{name}");
            let integration = Resource::parse_connector(&resource)
                .filter(|it| it.pattern == Pattern::RequestResponse);
            let Some(integration) = integration else {
                return refuse(format!(
                    "'{name}' cannot be a connector: it must look like service:action"
                ));
            };
            if connector.place.chars().count() > TEXT_CHARS_MAX {
                return refuse("the `place` of a connector has at most 256 characters".to_owned());
            }
            wanted.push(Self {
                activity: integration.connector(),
                slots: connector.slots,
                max_rate: 0.0,
                place: Some(connector.place.as_str().into()),
            });
        }
        if wanted.is_empty() || wanted.len() > ACTIVITIES_MAX {
            return refuse(format!(
                "a worker serves 1 to {ACTIVITIES_MAX} activities, not {}",
                wanted.len()
            ));
        }
        Ok(wanted)
    }
}

/// What a worker tells of itself, within bounds.
pub(super) fn about(hello: &Hello) -> Result<About, ApiError> {
    let refuse = |message: &str| Err(ApiError::new(ErrorCode::ValidationException, message));
    let longer = |text: &str, max: usize| text.chars().count() > max;
    check_labels(hello.labels.iter())?;
    if longer(&hello.host, TEXT_CHARS_MAX) || longer(&hello.build_id, TEXT_CHARS_MAX) {
        return refuse("`host` and `build_id` have at most 256 characters");
    }
    let labels = hello.labels.iter();
    Ok(About {
        name: Arc::from(hello.worker_name.as_str()),
        host: hello.host.clone(),
        build_id: Arc::from(hello.build_id.as_str()),
        labels: Arc::new(
            labels
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        ),
    })
}

pub(super) fn session_id(text: &str) -> Result<SessionId, ApiError> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    u128::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| digits.len() == 32)
        .map(SessionId)
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::ValidationException,
                "`session_id` must be a UUID drawn once per worker process",
            )
        })
}
