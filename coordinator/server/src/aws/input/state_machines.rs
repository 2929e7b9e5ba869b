//! Inputs of the state machine operations.

use serde::Deserialize;

use super::settings::{
    EncryptionConfiguration, LoggingConfiguration, Settings, TracingConfiguration,
};
use super::tags::{Tag, check_tags, into_tags, limit_tags};
use super::versions::publication;
use super::{Bounds, INCLUDED_DATA, IncludedData};
use crate::aws::check::{self, Checker};
use crate::service::api::{CreateStateMachine, MachineType, UpdateStateMachine};
use crate::service::error::{ApiError, ErrorCode};

const TYPES: [(&str, MachineType); 2] = [
    ("STANDARD", MachineType::Standard),
    ("EXPRESS", MachineType::Express),
];
/// Whether warnings are wanted.
const SEVERITIES: [(&str, bool); 2] = [("ERROR", false), ("WARNING", true)];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateStateMachineInput {
    pub(crate) name: Option<String>,
    pub(crate) definition: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) r#type: Option<String>,
    pub(crate) logging_configuration: Option<LoggingConfiguration>,
    pub(crate) tags: Option<Vec<Tag>>,
    pub(crate) tracing_configuration: Option<TracingConfiguration>,
    pub(crate) publish: Option<bool>,
    pub(crate) version_description: Option<String>,
    pub(crate) encryption_configuration: Option<EncryptionConfiguration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateStateMachineInput {
    pub(crate) state_machine_arn: Option<String>,
    pub(crate) definition: Option<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) logging_configuration: Option<LoggingConfiguration>,
    pub(crate) tracing_configuration: Option<TracingConfiguration>,
    pub(crate) publish: Option<bool>,
    pub(crate) version_description: Option<String>,
    pub(crate) encryption_configuration: Option<EncryptionConfiguration>,
}

/// `DeleteStateMachine` and `DescribeStateMachine`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StateMachineInput {
    pub(crate) state_machine_arn: Option<String>,
    pub(crate) included_data: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValidateInput {
    pub(crate) definition: Option<String>,
    pub(crate) r#type: Option<String>,
    pub(crate) severity: Option<String>,
    pub(crate) max_results: Option<i64>,
}

/// A checked `ValidateStateMachineDefinition`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ToValidate {
    pub(crate) definition: String,
    pub(crate) machine_type: MachineType,
    pub(crate) include_warnings: bool,
    pub(crate) limit: u32,
}

/// Whether `roleArn` must be there: AWS insists, the gRPC face has a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Required,
    Optional,
}

impl CreateStateMachineInput {
    pub(crate) fn check(self, bounds: &Bounds, role: Role) -> Result<CreateStateMachine, ApiError> {
        let mut checker = Checker::default();
        checker.required("name", self.name.as_deref(), check::NAME);
        check_definition(&mut checker, self.definition.as_deref(), bounds);
        if self.definition.is_none() {
            checker.null("definition");
        }
        match role {
            Role::Required => checker.required("roleArn", self.role_arn.as_deref(), check::ARN),
            Role::Optional => checker.text("roleArn", self.role_arn.as_deref(), check::ARN),
        }
        let machine_type = checker.one_of("type", self.r#type.as_deref(), &TYPES);
        let settings = Settings {
            logging: self.logging_configuration,
            tracing: self.tracing_configuration,
            encryption: self.encryption_configuration,
        };
        settings.check(&mut checker);
        check_tags(&mut checker, self.tags.as_deref());
        check_version(&mut checker, self.version_description.as_deref());
        checker.finish()?;
        let publish = publication(self.publish, self.version_description)?;
        let name = self.name.unwrap_or_default();
        limit_tags(self.tags.as_deref(), &name)?;
        Ok(CreateStateMachine {
            name,
            definition: self.definition.unwrap_or_default(),
            role_arn: self.role_arn,
            machine_type: machine_type.unwrap_or_default(),
            tags: into_tags(self.tags),
            accepted: settings.accept_new()?,
            publish,
        })
    }
}

impl UpdateStateMachineInput {
    pub(crate) fn check(self, bounds: &Bounds) -> Result<UpdateStateMachine, ApiError> {
        let mut checker = Checker::default();
        checker.required(
            "stateMachineArn",
            self.state_machine_arn.as_deref(),
            check::ARN,
        );
        check_definition(&mut checker, self.definition.as_deref(), bounds);
        checker.text("roleArn", self.role_arn.as_deref(), check::ARN);
        let settings = Settings {
            logging: self.logging_configuration,
            tracing: self.tracing_configuration,
            encryption: self.encryption_configuration,
        };
        settings.check(&mut checker);
        check_version(&mut checker, self.version_description.as_deref());
        checker.finish()?;
        let publish = publication(self.publish, self.version_description)?;
        if self.definition.is_none() && self.role_arn.is_none() && settings.is_empty() {
            return Err(ApiError::new(
                ErrorCode::MissingRequiredParameter,
                "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be \
                 specified",
            ));
        }
        Ok(UpdateStateMachine {
            arn: self.state_machine_arn.unwrap_or_default(),
            definition: self.definition,
            role_arn: self.role_arn,
            accepted: settings.accept()?,
            publish,
        })
    }
}

impl StateMachineInput {
    pub(crate) fn check(self) -> Result<(String, IncludedData), ApiError> {
        let mut checker = Checker::default();
        checker.required(
            "stateMachineArn",
            self.state_machine_arn.as_deref(),
            check::ARN,
        );
        let included = checker.one_of(
            "includedData",
            self.included_data.as_deref(),
            &INCLUDED_DATA,
        );
        checker.finish()?;
        Ok((
            self.state_machine_arn.unwrap_or_default(),
            included.unwrap_or_default(),
        ))
    }
}

impl ValidateInput {
    pub(crate) fn check(self, bounds: &Bounds) -> Result<ToValidate, ApiError> {
        let mut checker = Checker::default();
        check_definition(&mut checker, self.definition.as_deref(), bounds);
        if self.definition.is_none() {
            checker.null("definition");
        }
        let machine_type = checker.one_of("type", self.r#type.as_deref(), &TYPES);
        let severity = checker.one_of("severity", self.severity.as_deref(), &SEVERITIES);
        checker.number("maxResults", self.max_results, 0, 100);
        checker.finish()?;
        Ok(ToValidate {
            definition: self.definition.unwrap_or_default(),
            machine_type: machine_type.unwrap_or_default(),
            include_warnings: severity.unwrap_or_default(),
            limit: self
                .max_results
                .and_then(|limit| u32::try_from(limit).ok())
                .unwrap_or(0),
        })
    }
}

fn check_definition(checker: &mut Checker, definition: Option<&str>, bounds: &Bounds) {
    checker.text(
        "definition",
        definition.filter(|text| text.is_empty()),
        check::Length::of(1, 1),
    );
    checker.bytes("definition", definition, bounds.definition_bytes_max);
}

fn check_version(checker: &mut Checker, description: Option<&str>) {
    checker.text(
        "versionDescription",
        description,
        check::VERSION_DESCRIPTION,
    );
}
