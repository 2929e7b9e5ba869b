//! Aliases of state machines: names for one version, or for two that share the starts by weight.

use std::cmp::Reverse;

use stepfleet_engine::Timestamp;

use super::api::{Alias, AliasItem, Caller, CreateAlias, Page, PageRequest, Route, UpdateAlias};
use super::error::{ApiError, ErrorCode};
use super::versions::{MachineRef, Named, Qualifier, qualified, version_name};
use super::{Service, page};
use crate::catalog::records::{AliasRecord, MachineRecord, Published, RouteRecord};

/// Aliases of one state machine, as on AWS.
const ALIASES_MAX: usize = 100;
/// What the weights of an alias add up to.
const WEIGHTS_SUM: u32 = 100;

/// Names of a state machine and of an alias of it.
type AliasName<'a> = (&'a str, &'a str);

impl Service {
    /// Creates an alias; the same request again answers as the first one did.
    pub(crate) async fn create_alias(
        &self,
        caller: &Caller,
        request: CreateAlias,
    ) -> Result<AliasItem, ApiError> {
        let (machine, routes) = read_routes(caller, &request.routes)?;
        let now = self.shared.clock.now();
        let change = |record: &MachineRecord, published: &mut Published| {
            check_versions(published, &routes)?;
            if let Some(existing) = published.alias(&request.name) {
                check_same(existing, &request, &routes)?;
                return Ok(item(record, existing));
            }
            let alias = AliasRecord {
                name: request.name.clone(),
                description: request.description.clone(),
                created_at: now.0,
                updated_at: now.0,
                routes: routes.clone(),
            };
            let created = item(record, &alias);
            insert(record, published, alias)?;
            Ok(created)
        };
        // What the versions belong to is a resource that the request refers to, not one that it names.
        if self
            .shared
            .catalog
            .machine(&caller.namespace, machine)
            .is_none()
        {
            return Err(missing());
        }
        let arn = request
            .routes
            .first()
            .map_or("", |route| route.version_arn.as_str());
        self.change_published(caller, machine, arn, change).await
    }

    /// Changes the description, the routes or both; when it was changed.
    pub(crate) async fn update_alias(
        &self,
        caller: &Caller,
        request: UpdateAlias,
    ) -> Result<Timestamp, ApiError> {
        let (machine, name) = self.existing_alias(caller, &request.arn)?;
        let routes = match &request.routes {
            Some(routes) => {
                let (of, read) = read_routes(caller, routes)?;
                if of != machine {
                    return Err(refuse_routes(
                        "state machine version ARNs of the alias's own state machine",
                        routes,
                    ));
                }
                Some(read)
            }
            None => None,
        };
        let now = self.shared.clock.now();
        let change = |_: &MachineRecord, published: &mut Published| {
            check_versions(published, routes.as_deref().unwrap_or_default())?;
            let found = published
                .aliases
                .iter_mut()
                .find(|alias| alias.name == name);
            let alias = found.ok_or_else(missing)?;
            if let Some(description) = &request.description {
                alias.description = Some(description.clone());
            }
            if let Some(routes) = &routes {
                alias.routes.clone_from(routes);
            }
            alias.updated_at = now.0;
            Ok(now)
        };
        self.change_published(caller, machine, &request.arn, change)
            .await
    }

    /// Deletes an alias; one that is not there is fine.
    pub(crate) async fn delete_alias(&self, caller: &Caller, arn: &str) -> Result<(), ApiError> {
        let (machine, name) = alias_name(caller, arn)?;
        if self
            .shared
            .catalog
            .machine(&caller.namespace, machine)
            .is_none()
        {
            return Ok(());
        }
        let change = |_: &MachineRecord, published: &mut Published| {
            published.aliases.retain(|alias| alias.name != name);
            Ok(())
        };
        self.change_published(caller, machine, arn, change).await
    }

    pub(crate) fn describe_alias(&self, caller: &Caller, arn: &str) -> Result<Alias, ApiError> {
        let (machine, name) = alias_name(caller, arn)?;
        let machine = self.shared.catalog.machine(&caller.namespace, machine);
        let machine = machine.ok_or_else(missing)?;
        let record = machine.record.published.alias(name).ok_or_else(missing)?;
        let route = |route: &RouteRecord| Route {
            version_arn: qualified(&machine.record, route.version),
            weight: route.weight,
        };
        Ok(Alias {
            arn: arn.to_owned(),
            name: record.name.clone(),
            description: record.description.clone(),
            routes: record.routes.iter().map(route).collect(),
            created_at: Timestamp(record.created_at),
            updated_at: Timestamp(record.updated_at),
        })
    }

    /// Aliases of a state machine, or those that lead to a version: newest first, and by name within a second, which is
    /// how fine AWS looks.
    pub(crate) fn list_aliases(
        &self,
        caller: &Caller,
        arn: &str,
        request: &PageRequest,
    ) -> Result<Page<AliasItem>, ApiError> {
        let named = MachineRef::parse(caller, arn)?;
        let machine = self.known_machine(caller, named.name, arn)?;
        let record = &machine.record;
        let mut aliases: Vec<&AliasRecord> = match named.find(record) {
            Some(Named::Current) => record.published.aliases.iter().collect(),
            Some(Named::Version(version)) => record.published.aliases_of(version.number).collect(),
            Some(Named::Alias(_)) | None => return Err(missing()),
        };
        let (limit, token) = page::open(request, "aliases", arn)?;
        let place = |alias: &AliasRecord| (Reverse(alias.created_at / 1000), alias.name.clone());
        if let Some(token) = token {
            let (second, name) = token.split_once('.').ok_or_else(page::invalid)?;
            let second = second.parse::<i64>().map_err(|_error| page::invalid())?;
            aliases.retain(|alias| place(alias) > (Reverse(second), name.to_owned()));
        }
        aliases.sort_by_key(|alias| place(alias));
        let page = page::close(aliases, limit, "aliases", arn, |alias| {
            format!("{}.{}", alias.created_at / 1000, alias.name)
        });
        Ok(Page {
            items: page
                .items
                .into_iter()
                .map(|alias| item(record, alias))
                .collect(),
            next_token: page.next_token,
        })
    }

    /// The alias's state machine and its own name, if both exist.
    fn existing_alias<'a>(&self, caller: &Caller, arn: &'a str) -> Result<AliasName<'a>, ApiError> {
        let names = alias_name(caller, arn)?;
        let machine = self.shared.catalog.machine(&caller.namespace, names.0);
        let exists =
            machine.is_some_and(|machine| machine.record.published.alias(names.1).is_some());
        exists.then_some(names).ok_or_else(missing)
    }
}

/// The version that an alias leads to, for a number that is drawn from all.
pub(super) fn routed(alias: &AliasRecord, drawn: u64) -> Option<u64> {
    let mut drawn = u32::try_from(drawn % u64::from(WEIGHTS_SUM)).unwrap_or(0);
    for route in &alias.routes {
        if drawn < route.weight {
            return Some(route.version);
        }
        drawn -= route.weight;
    }
    None
}

fn alias_name<'a>(caller: &Caller, text: &'a str) -> Result<AliasName<'a>, ApiError> {
    let machine = MachineRef::parse(caller, text)?;
    match machine.qualifier {
        Some(Qualifier::Alias(name)) => Ok((machine.name, name)),
        Some(Qualifier::Version(_)) | None => {
            let message = format!("Invalid Arn: 'Not the ARN of a state machine alias: {text}'");
            Err(ApiError::new(ErrorCode::InvalidArn, message))
        }
    }
}

/// The routes as they are kept, and the state machine that all their versions belong to.
fn read_routes<'a>(
    caller: &Caller,
    routes: &'a [Route],
) -> Result<(&'a str, Vec<RouteRecord>), ApiError> {
    let mut machines = Vec::new();
    let mut read: Vec<RouteRecord> = Vec::new();
    for route in routes {
        let Ok((machine, version)) = version_name(caller, &route.version_arn) else {
            return Err(refuse_routes("state machine version ARNs", routes));
        };
        if machines.first() == Some(&machine) && read.iter().any(|other| other.version == version) {
            return Err(refuse_routes("distinct state machine version ARNs", routes));
        }
        machines.push(machine);
        read.push(RouteRecord {
            version,
            weight: route.weight,
        });
    }
    let machine = machines.first().copied().unwrap_or_default();
    if machines.iter().any(|other| *other != machine) {
        return Err(refuse_routes(
            "state machine version ARNs of one state machine",
            routes,
        ));
    }
    if read.iter().map(|route| route.weight).sum::<u32>() != WEIGHTS_SUM {
        let weights: Vec<String> = read.iter().map(|route| route.weight.to_string()).collect();
        let message = format!(
            "Sum of routing configuration weights must equal {WEIGHTS_SUM}. Received: [{}]",
            weights.join(", ")
        );
        return Err(ApiError::new(ErrorCode::ValidationException, message));
    }
    Ok((machine, read))
}

fn refuse_routes(what: &str, routes: &[Route]) -> ApiError {
    let arns: Vec<&str> = routes
        .iter()
        .map(|route| route.version_arn.as_str())
        .collect();
    let message = format!(
        "Routing configuration must contain {what}. Received: [{}]",
        arns.join(", ")
    );
    ApiError::new(ErrorCode::ValidationException, message)
}

fn check_versions(published: &Published, routes: &[RouteRecord]) -> Result<(), ApiError> {
    let exist = routes
        .iter()
        .all(|route| published.version(route.version).is_some());
    exist.then_some(()).ok_or_else(missing)
}

fn check_same(
    existing: &AliasRecord,
    request: &CreateAlias,
    routes: &[RouteRecord],
) -> Result<(), ApiError> {
    let differs = if existing.routes != routes {
        "routing configuration"
    } else if existing.description != request.description {
        "description"
    } else {
        return Ok(());
    };
    let message = format!(
        "Failed to create alias because an alias with the same name and a different {differs} already exists."
    );
    Err(ApiError::new(ErrorCode::ConflictException, message))
}

fn insert(
    machine: &MachineRecord,
    published: &mut Published,
    alias: AliasRecord,
) -> Result<(), ApiError> {
    if published.aliases.len() >= ALIASES_MAX {
        let message = format!(
            "The limit of {ALIASES_MAX} aliases is reached for the state machine '{}'. Delete aliases that are no \
             longer used.",
            machine.arn
        );
        return Err(ApiError::new(
            ErrorCode::ServiceQuotaExceededException,
            message,
        ));
    }
    let at = published
        .aliases
        .partition_point(|other| other.name < alias.name);
    published.aliases.insert(at, alias);
    Ok(())
}

fn item(machine: &MachineRecord, alias: &AliasRecord) -> AliasItem {
    AliasItem {
        arn: qualified(machine, &alias.name),
        created_at: Timestamp(alias.created_at),
    }
}

fn missing() -> ApiError {
    let message = "Request references a resource that does not exist.";
    ApiError::new(ErrorCode::ResourceNotFound, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_shared_by_weight() {
        let route = |version, weight| RouteRecord { version, weight };
        let alias = |routes| AliasRecord {
            name: "live".into(),
            description: None,
            created_at: 0,
            updated_at: 0,
            routes,
        };
        let shared = alias(vec![route(1, 70), route(2, 30)]);
        let of = |version| {
            (0..100)
                .filter(|drawn| routed(&shared, *drawn) == Some(version))
                .count()
        };
        assert_eq!((of(1), of(2)), (70, 30));
        for drawn in [0, 99, u64::MAX] {
            assert_eq!(
                routed(&alias(vec![route(1, 0), route(2, 100)]), drawn),
                Some(2)
            );
            assert_eq!(
                routed(&alias(vec![route(1, 100), route(2, 0)]), drawn),
                Some(1)
            );
        }
    }
}
