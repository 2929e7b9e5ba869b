//! Map Runs. They belong to distributed Maps, which this release refuses when a state machine is created: there are none.

use super::api::{Caller, PageRequest};
use super::error::{ApiError, ErrorCode};
use super::{Service, execution_missing, execution_names, page, place};
use crate::arn::{self, Resource};

impl Service {
    /// The Map Run of an ARN, which does not exist.
    pub(crate) fn map_run(&self, text: &str) -> ApiError {
        let arn = match arn::parse(text) {
            Ok(arn) => arn,
            Err(error) => return error,
        };
        if arn.resource != (Resource::Other { kind: "mapRun" }) {
            return arn::wrong_kind(&arn.resource);
        }
        let message = format!("Resource not found: '{text}'");
        ApiError::new(ErrorCode::ResourceNotFound, message)
    }

    /// Looks whether the execution exists whose Map Runs are asked for; a page behind the first is not.
    pub(crate) async fn check_map_runs_of(
        &self,
        caller: &Caller,
        arn: &str,
        request: &PageRequest,
    ) -> Result<(), ApiError> {
        let (machine, name) = execution_names(caller, arn)?;
        let execution = self
            .execution(place(&caller.namespace, machine, name))
            .await?;
        if execution.is_none() {
            return Err(execution_missing(arn));
        }
        page::open(request, "map runs", arn).map(drop)
    }
}
