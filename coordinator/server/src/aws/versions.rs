//! The operations on versions and aliases.

use serde::Serialize;

use super::Call;
use super::answer::{Seconds, body, empty};
use super::input::versions::{
    AliasInput, CreateAliasInput, ListPublishedInput, PublishVersionInput, UpdateAliasInput,
    VersionInput,
};
use crate::service::api::{AliasItem, Page, PublishedVersion, Route};
use crate::service::error::ApiError;

/// The answer to a publication, and one line of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    state_machine_version_arn: String,
    creation_date: Seconds,
}

/// The answer to a creation, and one line of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alias {
    state_machine_alias_arn: String,
    creation_date: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    state_machine_versions: Vec<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Aliases {
    state_machine_aliases: Vec<Alias>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated {
    update_date: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    state_machine_alias_arn: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    routing_configuration: Vec<RoutingItem>,
    creation_date: Seconds,
    update_date: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoutingItem {
    state_machine_version_arn: String,
    weight: u32,
}

impl Call<'_> {
    pub(super) async fn publish_version(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<PublishVersionInput>()?.check()?;
        let version = self.service.publish_version(self.caller, request).await?;
        body(&Version::from(version))
    }

    pub(super) async fn delete_version(&self) -> Result<Vec<u8>, ApiError> {
        let arn = self.read::<VersionInput>()?.check()?;
        self.service.delete_version(self.caller, &arn).await?;
        Ok(empty())
    }

    pub(super) fn list_versions(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, request) = self.read::<ListPublishedInput>()?.check()?;
        let page: Page<PublishedVersion> =
            self.service.list_versions(self.caller, &arn, &request)?;
        body(&Versions {
            state_machine_versions: page.items.into_iter().map(Version::from).collect(),
            next_token: page.next_token,
        })
    }

    pub(super) async fn create_alias(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<CreateAliasInput>()?.check()?;
        let alias = self.service.create_alias(self.caller, request).await?;
        body(&Alias::from(alias))
    }

    pub(super) async fn update_alias(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<UpdateAliasInput>()?.check()?;
        let updated = self.service.update_alias(self.caller, request).await?;
        body(&Updated {
            update_date: Seconds(updated),
        })
    }

    pub(super) async fn delete_alias(&self) -> Result<Vec<u8>, ApiError> {
        let arn = self.read::<AliasInput>()?.check()?;
        self.service.delete_alias(self.caller, &arn).await?;
        Ok(empty())
    }

    pub(super) fn describe_alias(&self) -> Result<Vec<u8>, ApiError> {
        let arn = self.read::<AliasInput>()?.check()?;
        let alias = self.service.describe_alias(self.caller, &arn)?;
        body(&Description {
            state_machine_alias_arn: alias.arn,
            name: alias.name,
            description: alias.description,
            routing_configuration: alias.routes.into_iter().map(RoutingItem::from).collect(),
            creation_date: Seconds(alias.created_at),
            update_date: Seconds(alias.updated_at),
        })
    }

    pub(super) fn list_aliases(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, request) = self.read::<ListPublishedInput>()?.check()?;
        let page = self.service.list_aliases(self.caller, &arn, &request)?;
        body(&Aliases {
            state_machine_aliases: page.items.into_iter().map(Alias::from).collect(),
            next_token: page.next_token,
        })
    }
}

impl From<PublishedVersion> for Version {
    fn from(version: PublishedVersion) -> Self {
        Self {
            state_machine_version_arn: version.arn,
            creation_date: Seconds(version.created_at),
        }
    }
}

impl From<AliasItem> for Alias {
    fn from(alias: AliasItem) -> Self {
        Self {
            state_machine_alias_arn: alias.arn,
            creation_date: Seconds(alias.created_at),
        }
    }
}

impl From<Route> for RoutingItem {
    fn from(route: Route) -> Self {
        Self {
            state_machine_version_arn: route.version_arn,
            weight: route.weight,
        }
    }
}
