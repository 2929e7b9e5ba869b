//! The operations on Map Runs.

use super::Call;
use super::input::map_runs::{ListMapRunsInput, MapRunInput, UpdateMapRunInput};
use crate::service::error::ApiError;

impl Call<'_> {
    pub(super) fn describe_map_run(&self) -> Result<Vec<u8>, ApiError> {
        let arn = self.read::<MapRunInput>()?.check()?;
        Err(self.service.map_run(&arn))
    }

    pub(super) fn update_map_run(&self) -> Result<Vec<u8>, ApiError> {
        let arn = self.read::<UpdateMapRunInput>()?.check()?;
        Err(self.service.map_run(&arn))
    }

    pub(super) async fn list_map_runs(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, request) = self.read::<ListMapRunsInput>()?.check()?;
        let service = self.service;
        service
            .check_map_runs_of(self.caller, &arn, &request)
            .await?;
        Ok(br#"{"mapRuns":[]}"#.to_vec())
    }
}
