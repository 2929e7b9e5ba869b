//! Reads what the coordinator has: all state machines and activities with their tags, and details of those that concern
//! the stack.

use std::collections::BTreeMap;

use stepfleet_sdk::api;

use super::inventory::{
    Details, FoundActivity, FoundAlias, FoundMachine, FoundVersion, Inventory, Settings,
};
use super::owner::{self, Owner, Published, Tags};
use super::plan::INITIAL;
use crate::cli::client::Client;
use crate::cli::fault::Fault;
use crate::cli::{names, pages};

/// The inventory for a stack.
pub(super) async fn read(client: &Client, stack: &str) -> Result<Inventory, Fault> {
    let mut inventory = Inventory::default();
    let machines = pages::collect(usize::MAX, |page_size, page_token| async move {
        let request = api::ListStateMachinesRequest {
            page_size,
            page_token,
        };
        let answer = client.list_state_machines(request).await?;
        Ok((answer.state_machines, answer.next_page_token))
    });
    let arns = machines
        .await?
        .items
        .into_iter()
        .map(|item| item.state_machine_arn);
    for (arn, tags) in pages::each(arns.map(|arn| tags(client, arn))).await? {
        let machine = FoundMachine {
            tags,
            details: None,
        };
        inventory.machines.insert(arn, machine);
    }
    let concerned: Vec<String> = inventory
        .machines
        .iter()
        .filter(|(_, machine)| machine.concerns(stack))
        .map(|(arn, _)| arn.clone())
        .collect();
    read_details(client, &mut inventory, concerned).await?;
    let activities = pages::collect(usize::MAX, |page_size, page_token| async move {
        let request = api::ListActivitiesRequest {
            page_size,
            page_token,
        };
        let answer = client.list_activities(request).await?;
        Ok((answer.activities, answer.next_page_token))
    });
    let arns = activities
        .await?
        .items
        .into_iter()
        .map(|item| item.activity_arn);
    for (arn, tags) in pages::each(arns.map(|arn| tags(client, arn))).await? {
        let ours = Owner::of(&tags).is_some_and(|owner| owner.stack == stack);
        let encryption = if ours {
            encryption(client, &arn).await?
        } else {
            String::new()
        };
        let activity = FoundActivity { tags, encryption };
        inventory.activities.insert(arn, activity);
    }
    Ok(inventory)
}

/// Reads the details of some state machines; one that is gone meanwhile leaves the inventory.
pub(super) async fn read_details(
    client: &Client,
    inventory: &mut Inventory,
    arns: impl IntoIterator<Item = String>,
) -> Result<(), Fault> {
    let inventory_now = &*inventory;
    let requests = arns.into_iter().map(|arn| async move {
        let tags = inventory_now
            .machines
            .get(&arn)
            .map(|machine| &machine.tags);
        let details = unless_gone(details(client, &arn, tags).await)?;
        Ok((arn, details))
    });
    for (arn, details) in pages::each(requests).await? {
        match (details, inventory.machines.get_mut(&arn)) {
            (Some(details), Some(machine)) => machine.details = Some(details),
            (_, _) => {
                inventory.machines.remove(&arn);
            }
        }
    }
    Ok(())
}

async fn tags(client: &Client, resource_arn: String) -> Result<(String, Tags), Fault> {
    let request = api::ListTagsForResourceRequest {
        resource_arn: resource_arn.clone(),
    };
    let answer = unless_gone(client.list_tags_for_resource(request).await)?;
    let tags = answer.unwrap_or_default().tags;
    let tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    Ok((resource_arn, tags))
}

async fn encryption(client: &Client, arn: &str) -> Result<String, Fault> {
    let request = api::DescribeActivityRequest {
        activity_arn: arn.to_owned(),
    };
    let answer = unless_gone(client.describe_activity(request).await)?;
    Ok(answer.unwrap_or_default().encryption_configuration)
}

async fn details(client: &Client, arn: &str, tags: Option<&Tags>) -> Result<Details, Fault> {
    let machine = describe(client, arn.to_owned()).await?;
    let mut numbers: Vec<u64> = tags
        .into_iter()
        .flat_map(Tags::keys)
        .filter_map(|key| match owner::published(key)? {
            Published::Version(number) => Some(number),
            Published::Alias(_) => None,
        })
        .collect();
    numbers.extend(newest_version(client, arn).await?);
    numbers.sort_unstable();
    numbers.dedup();
    let requests = numbers.into_iter().map(|number| async move {
        let version = unless_gone(describe(client, format!("{arn}:{number}")).await)?;
        Ok(version.map(|version| (number, found_version(version))))
    });
    let versions = pages::each(requests).await?.into_iter().flatten().collect();
    Ok(Details {
        deleting: machine.status() == api::StateMachineStatus::Deleting,
        express: machine.r#type() == api::StateMachineType::Express,
        definition: machine.definition,
        role_arn: machine.role_arn,
        settings: Settings {
            logging: machine.logging_configuration,
            tracing: machine.tracing_configuration,
            encryption: machine.encryption_configuration,
        },
        revision: revision(machine.revision_id),
        versions,
        aliases: aliases(client, arn).await?,
    })
}

async fn describe(
    client: &Client,
    state_machine_arn: String,
) -> Result<api::DescribeStateMachineResponse, Fault> {
    let request = api::DescribeStateMachineRequest { state_machine_arn };
    client.describe_state_machine(request).await
}

async fn newest_version(client: &Client, arn: &str) -> Result<Option<u64>, Fault> {
    let request = api::ListStateMachineVersionsRequest {
        state_machine_arn: arn.to_owned(),
        page_size: 1,
        page_token: String::new(),
    };
    let newest = client.list_state_machine_versions(request).await?;
    let arn = newest.state_machine_versions.first();
    Ok(arn.and_then(|item| names::name_of(&item.state_machine_version_arn).parse().ok()))
}

async fn aliases(client: &Client, arn: &str) -> Result<BTreeMap<String, FoundAlias>, Fault> {
    let listed = pages::collect(usize::MAX, |page_size, page_token| async move {
        let request = api::ListStateMachineAliasesRequest {
            state_machine_arn: arn.to_owned(),
            page_size,
            page_token,
        };
        let answer = client.list_state_machine_aliases(request).await?;
        Ok((answer.state_machine_aliases, answer.next_page_token))
    });
    let arns = listed
        .await?
        .items
        .into_iter()
        .map(|item| item.state_machine_alias_arn);
    let requests = arns.map(|state_machine_alias_arn| async move {
        let request = api::DescribeStateMachineAliasRequest {
            state_machine_alias_arn,
        };
        unless_gone(client.describe_state_machine_alias(request).await)
    });
    let found = pages::each(requests).await?.into_iter().flatten();
    Ok(found
        .map(|alias| (alias.name.clone(), found_alias(alias)))
        .collect())
}

fn found_alias(alias: api::DescribeStateMachineAliasResponse) -> FoundAlias {
    let routes = alias.routing_configuration.into_iter();
    FoundAlias {
        description: alias.description,
        routes: routes
            .map(|route| (route.state_machine_version_arn, route.weight))
            .collect(),
    }
}

fn found_version(version: api::DescribeStateMachineResponse) -> FoundVersion {
    FoundVersion {
        revision: revision(version.revision_id),
        description: version.description,
    }
}

/// The first revision has no id, and this name where one is wanted.
pub(super) fn revision(id: String) -> String {
    if id.is_empty() {
        INITIAL.to_owned()
    } else {
        id
    }
}

/// Somebody else may delete what was listed a moment ago.
fn unless_gone<T>(answer: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Fault::Refused { reason, .. })
            if [
                "ResourceNotFound",
                "StateMachineDoesNotExist",
                "ActivityDoesNotExist",
            ]
            .contains(&reason.as_str()) =>
        {
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}
