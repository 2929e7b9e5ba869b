//! Inputs of the operations on versions and aliases.

use serde::Deserialize;

use super::{check_arn_of, check_list_of, unsupported};
use crate::aws::check::{self, Checker};
use crate::service::api::{CreateAlias, PageRequest, Publish, PublishVersion, Route, UpdateAlias};
use crate::service::error::ApiError;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublishVersionInput {
    pub(crate) state_machine_arn: Option<String>,
    pub(crate) revision_id: Option<String>,
    pub(crate) description: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionInput {
    pub(crate) state_machine_version_arn: Option<String>,
}

/// `ListStateMachineAliases` and `ListStateMachineVersions`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListPublishedInput {
    pub(crate) state_machine_arn: Option<String>,
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateAliasInput {
    pub(crate) description: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) routing_configuration: Option<Vec<RouteInput>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateAliasInput {
    pub(crate) state_machine_alias_arn: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) routing_configuration: Option<Vec<RouteInput>>,
}

/// `DeleteStateMachineAlias` and `DescribeStateMachineAlias`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AliasInput {
    pub(crate) state_machine_alias_arn: Option<String>,
}

/// `RoutingConfigurationListItem`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteInput {
    pub(crate) state_machine_version_arn: Option<String>,
    pub(crate) weight: Option<i64>,
}

impl PublishVersionInput {
    pub(crate) fn check(self) -> Result<PublishVersion, ApiError> {
        let mut checker = Checker::default();
        let arn = self.state_machine_arn.as_deref();
        checker.required("stateMachineArn", arn, check::ARN);
        checker.text(
            "description",
            self.description.as_deref(),
            check::VERSION_DESCRIPTION,
        );
        checker.finish()?;
        Ok(PublishVersion {
            machine_arn: self.state_machine_arn.unwrap_or_default(),
            revision_id: self.revision_id,
            description: self.description,
        })
    }
}

impl VersionInput {
    pub(crate) fn check(self) -> Result<String, ApiError> {
        let arn = self.state_machine_version_arn;
        check_arn_of("stateMachineVersionArn", arn, check::LONG_ARN)
    }
}

impl ListPublishedInput {
    pub(crate) fn check(self) -> Result<(String, PageRequest), ApiError> {
        let (arn, token) = (self.state_machine_arn, self.next_token);
        check_list_of("stateMachineArn", arn, self.max_results, token)
    }
}

impl CreateAliasInput {
    pub(crate) fn check(self) -> Result<CreateAlias, ApiError> {
        let mut checker = Checker::default();
        check_description(&mut checker, self.description.as_deref());
        let name = self.name.as_deref();
        checker.required("name", name, check::NAME);
        // A name that is too long is told of that alone, as AWS does.
        let short = name.filter(|name| name.chars().count() <= check::NAME.max());
        checker.pattern("name", short, check::ALIAS_NAME);
        match self.routing_configuration.as_deref() {
            Some(routes) => check_routes(&mut checker, routes),
            None => checker.null("routingConfiguration"),
        }
        checker.finish()?;
        Ok(CreateAlias {
            name: self.name.unwrap_or_default(),
            description: self.description,
            routes: into_routes(self.routing_configuration.unwrap_or_default()),
        })
    }
}

impl UpdateAliasInput {
    pub(crate) fn check(self) -> Result<UpdateAlias, ApiError> {
        let mut checker = Checker::default();
        let arn = self.state_machine_alias_arn.as_deref();
        checker.required("stateMachineAliasArn", arn, check::ARN);
        check_description(&mut checker, self.description.as_deref());
        if let Some(routes) = &self.routing_configuration {
            check_routes(&mut checker, routes);
        }
        checker.finish()?;
        if self.description.is_none() && self.routing_configuration.is_none() {
            return Err(unsupported(
                "Either the description or the routing configuration must be specified",
            ));
        }
        Ok(UpdateAlias {
            arn: self.state_machine_alias_arn.unwrap_or_default(),
            description: self.description,
            routes: self.routing_configuration.map(into_routes),
        })
    }
}

impl AliasInput {
    pub(crate) fn check(self) -> Result<String, ApiError> {
        super::check_arn("stateMachineAliasArn", self.state_machine_alias_arn)
    }
}

/// What `publish` and `versionDescription` ask for together.
pub(super) fn publication(
    publish: Option<bool>,
    description: Option<String>,
) -> Result<Option<Publish>, ApiError> {
    match (publish.unwrap_or(false), description) {
        (true, description) => Ok(Some(Publish { description })),
        (false, Some(_)) => Err(unsupported(
            "Version description can only be set when publish is true",
        )),
        (false, None) => Ok(None),
    }
}

fn check_description(checker: &mut Checker, description: Option<&str>) {
    checker.text("description", description, check::VERSION_DESCRIPTION);
}

fn check_routes(checker: &mut Checker, routes: &[RouteInput]) {
    checker.entries("routingConfiguration", routes.len(), 1, 2);
    for (at, route) in routes.iter().enumerate() {
        let field = format!("routingConfiguration.{}.member", at + 1);
        let arn = route.state_machine_version_arn.as_deref();
        checker.required(&format!("{field}.stateMachineVersionArn"), arn, check::ARN);
        let field = format!("{field}.weight");
        match route.weight {
            Some(_) => checker.number(&field, route.weight, 0, 100),
            None => checker.null(&field),
        }
    }
}

fn into_routes(routes: Vec<RouteInput>) -> Vec<Route> {
    let route = |route: RouteInput| Route {
        version_arn: route.state_machine_version_arn.unwrap_or_default(),
        // Within bounds after the check.
        weight: route
            .weight
            .and_then(|weight| u32::try_from(weight).ok())
            .unwrap_or(0),
    };
    routes.into_iter().map(route).collect()
}
