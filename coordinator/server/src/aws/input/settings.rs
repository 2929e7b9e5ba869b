//! Logging, tracing and encryption: checked, kept and given back; the first two have effect by `observe`. They are kept as
//! JSON texts with every default filled in, so that two spellings of one setting are one text. `destinations: []` is
//! another setting than none: AWS gives it back.

use serde::{Deserialize, Serialize};

use crate::aws::check::{self, Checker};
use crate::service::api::Accepted;
use crate::service::error::{ApiError, ErrorCode};

/// `DescribeStateMachine.loggingConfiguration` of a machine that was created without one.
pub(crate) const LOGGING_DEFAULT: &str = r#"{"level":"OFF","includeExecutionData":false}"#;
/// The same of `tracingConfiguration`.
pub(crate) const TRACING_DEFAULT: &str = r#"{"enabled":false}"#;
/// `encryptionConfiguration` of a state machine, and of an activity, that was created without one.
pub(crate) const ENCRYPTION_DEFAULT: &str = r#"{"type":"AWS_OWNED_KEY"}"#;

const OFF: &str = "OFF";
const LEVELS: [(&str, ()); 4] = [("ALL", ()), ("ERROR", ()), ("FATAL", ()), (OFF, ())];
const CUSTOMER_KEY: &str = "CUSTOMER_MANAGED_KMS_KEY";
const ENCRYPTION_TYPES: [(&str, ()); 2] = [("AWS_OWNED_KEY", ()), (CUSTOMER_KEY, ())];
/// Seconds.
const KEY_REUSE_DEFAULT: i64 = 300;

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggingConfiguration {
    level: Option<String>,
    include_execution_data: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destinations: Option<Vec<LogDestination>>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogDestination {
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_watch_logs_log_group: Option<LogGroup>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogGroup {
    #[serde(skip_serializing_if = "Option::is_none")]
    log_group_arn: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct TracingConfiguration {
    enabled: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EncryptionConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_data_key_reuse_period_seconds: Option<i64>,
    r#type: Option<String>,
}

/// The three settings of a state machine.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) logging: Option<LoggingConfiguration>,
    pub(crate) tracing: Option<TracingConfiguration>,
    pub(crate) encryption: Option<EncryptionConfiguration>,
}

impl Settings {
    pub(crate) fn check(&self, checker: &mut Checker) {
        if let Some(logging) = &self.logging {
            logging.check(checker);
        }
        if let Some(encryption) = &self.encryption {
            encryption.check(checker);
        }
    }

    /// What is kept of settings that came without a request.
    pub(crate) fn checked(self) -> Result<Accepted, ApiError> {
        let mut checker = Checker::default();
        self.check(&mut checker);
        checker.finish()?;
        self.accept()
    }

    /// What is kept. A setting that is given stays given even when it is the default: an update must reach it.
    pub(crate) fn accept(self) -> Result<Accepted, ApiError> {
        Ok(Accepted {
            logging_configuration: self
                .logging
                .map(LoggingConfiguration::into_text)
                .transpose()?,
            tracing_configuration: self
                .tracing
                .map(TracingConfiguration::into_text)
                .transpose()?,
            encryption_configuration: self
                .encryption
                .map(EncryptionConfiguration::into_given_text)
                .transpose()?,
        })
    }

    /// The same for a creation, where the default is the same as nothing.
    pub(crate) fn accept_new(self) -> Result<Accepted, ApiError> {
        let Accepted {
            logging_configuration,
            tracing_configuration,
            encryption_configuration,
        } = self.accept()?;
        Ok(Accepted {
            logging_configuration: logging_configuration.filter(|text| text != LOGGING_DEFAULT),
            tracing_configuration: tracing_configuration.filter(|text| text != TRACING_DEFAULT),
            encryption_configuration: encryption_configuration
                .filter(|text| text != ENCRYPTION_DEFAULT),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.logging.is_none() && self.tracing.is_none() && self.encryption.is_none()
    }
}

impl LoggingConfiguration {
    fn check(&self, checker: &mut Checker) {
        checker.one_of("loggingConfiguration.level", self.level.as_deref(), &LEVELS);
        for (number, destination) in (1..).zip(self.destinations.as_deref().unwrap_or_default()) {
            let group = destination.cloud_watch_logs_log_group.as_ref();
            let field = format!(
                "loggingConfiguration.destinations.{number}.member.cloudWatchLogsLogGroup.logGroupArn"
            );
            checker.text(
                &field,
                group.and_then(|group| group.log_group_arn.as_deref()),
                check::ARN,
            );
        }
    }

    fn into_text(mut self) -> Result<String, ApiError> {
        let level = self.level.get_or_insert_with(|| OFF.to_owned());
        let destinations = self.destinations.as_deref().unwrap_or_default();
        let named = destinations.iter().filter(|destination| {
            destination
                .cloud_watch_logs_log_group
                .as_ref()
                .is_some_and(|group| group.log_group_arn.is_some())
        });
        if level != OFF && (destinations.len() != 1 || named.count() != 1) {
            return Err(ApiError::new(
                ErrorCode::InvalidLoggingConfiguration,
                "Invalid Logging Configuration: Must specify exactly one Log Destination.",
            ));
        }
        self.include_execution_data.get_or_insert(false);
        text(&self)
    }
}

impl TracingConfiguration {
    fn into_text(mut self) -> Result<String, ApiError> {
        self.enabled.get_or_insert(false);
        text(&self)
    }
}

impl EncryptionConfiguration {
    pub(crate) fn check(&self, checker: &mut Checker) {
        checker.text(
            "encryptionConfiguration.kmsKeyId",
            self.kms_key_id.as_deref(),
            check::KMS_KEY,
        );
        let seconds = self.kms_data_key_reuse_period_seconds;
        checker.number(
            "encryptionConfiguration.kmsDataKeyReusePeriodSeconds",
            seconds,
            60,
            900,
        );
        match self.r#type.as_deref() {
            None => checker.null("encryptionConfiguration.type"),
            kind => {
                checker.one_of("encryptionConfiguration.type", kind, &ENCRYPTION_TYPES);
            }
        }
    }

    /// What is kept for a new resource; `None` is the default.
    pub(crate) fn into_text(self) -> Result<Option<String>, ApiError> {
        self.into_given_text()
            .map(|text| Some(text).filter(|text| text != ENCRYPTION_DEFAULT))
    }

    fn into_given_text(mut self) -> Result<String, ApiError> {
        let customer = self.r#type.as_deref() == Some(CUSTOMER_KEY);
        let why = match (
            customer,
            &self.kms_key_id,
            self.kms_data_key_reuse_period_seconds,
        ) {
            (true, None, _) => Some("kmsKeyId is required when type is CUSTOMER_MANAGED_KMS_KEY"),
            (false, Some(_), _) => Some("kmsKeyId must not be given when type is AWS_OWNED_KEY"),
            (false, None, Some(_)) => {
                Some("kmsDataKeyReusePeriodSeconds must not be given when type is AWS_OWNED_KEY")
            }
            (true, Some(_), _) | (false, None, None) => None,
        };
        if let Some(why) = why {
            let message = format!("Invalid Encryption Configuration: '{why}'");
            return Err(ApiError::new(
                ErrorCode::InvalidEncryptionConfiguration,
                message,
            ));
        }
        if customer {
            self.kms_data_key_reuse_period_seconds
                .get_or_insert(KEY_REUSE_DEFAULT);
        }
        text(&self)
    }
}

fn text(setting: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(setting).map_err(|error| {
        ApiError::new(
            ErrorCode::InternalServerError,
            format!("cannot keep a setting: {error}"),
        )
    })
}
