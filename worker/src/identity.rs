//! Whom a command runs as: names of users and groups, resolved once when the configuration is read.

use std::ffi::{OsStr, OsString};

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid};
use tokio::process::Command;

/// A user and a group, with nothing of the worker's own groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    uid: Uid,
    gid: Gid,
    /// Name and home, where the system knows the user.
    known: Option<(OsString, OsString)>,
}

impl Identity {
    /// The user by name or number, with its own group or another; an error is a sentence for people.
    pub(crate) fn resolve(user: Option<&str>, group: Option<&str>) -> Result<Self, String> {
        let (uid, own_gid, known) = match user {
            None => (geteuid(), Some(getegid()), None),
            Some(user) => find_user(user)?,
        };
        let gid = match (group, own_gid) {
            (Some(group), _) => find_group(group)?,
            (None, Some(gid)) => gid,
            (None, None) => {
                return Err(format!("user {uid} is not known here; name its group too"));
            }
        };
        let identity = Self { uid, gid, known };
        let same = (uid, gid) == (geteuid(), getegid());
        if !same && !geteuid().is_root() {
            return Err("user and group need a worker that runs as root".to_owned());
        }
        Ok(identity)
    }

    /// What tells a command who it is.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (OsString, OsString)> {
        let known = self.known.iter();
        known.flat_map(|(name, home)| {
            [("USER", name), ("LOGNAME", name), ("HOME", home)]
                .map(|(key, value)| (key.into(), value.clone()))
        })
    }

    /// A worker that is no root already is who it should be, and may not say so.
    pub(crate) fn apply(&self, command: &mut Command) {
        if geteuid().is_root() {
            // Groups of the worker are dropped with this.
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
    }
}

type Found = (Uid, Option<Gid>, Option<(OsString, OsString)>);

fn find_user(name: &str) -> Result<Found, String> {
    let number = name.parse().ok().map(Uid::from_raw);
    let found = match number {
        Some(uid) => User::from_uid(uid),
        None => User::from_name(name),
    };
    let user = found.map_err(|error| format!("cannot look for user `{name}`: {error}"))?;
    match (user, number) {
        (Some(user), _) => {
            let known = (OsStr::new(&user.name).to_owned(), user.dir.into());
            Ok((user.uid, Some(user.gid), Some(known)))
        }
        (None, Some(uid)) => Ok((uid, None, None)),
        (None, None) => Err(format!("user `{name}` does not exist")),
    }
}

fn find_group(name: &str) -> Result<Gid, String> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let found = Group::from_name(name);
    let group = found.map_err(|error| format!("cannot look for group `{name}`: {error}"))?;
    group
        .map(|group| group.gid)
        .ok_or_else(|| format!("group `{name}` does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_resolved() {
        let refusal = |user, group| Identity::resolve(user, group).unwrap_err();
        assert_eq!(
            refusal(Some("no-such-user"), None),
            "user `no-such-user` does not exist"
        );
        assert_eq!(
            refusal(None, Some("no-such-group")),
            "group `no-such-group` does not exist"
        );
        assert_eq!(
            refusal(Some("4000000"), None),
            "user 4000000 is not known here; name its group too"
        );
        let own = Identity::resolve(None, None).unwrap();
        assert_eq!((own.uid, own.gid), (geteuid(), getegid()));
        let needs_root = Identity::resolve(Some("4000000"), Some("4000000"));
        assert_eq!(needs_root.is_ok(), geteuid().is_root());
    }
}
