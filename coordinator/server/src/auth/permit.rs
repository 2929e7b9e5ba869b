//! What one caller may do. Every caller has a permit; that of the coordinator itself, and of everybody where nobody has
//! to say who they are, has no bounds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use stepfleet_engine::Timestamp;
use stepfleet_proto::{Action, Subject};

use super::access::Access;
use super::audit::Record;
use super::credentials::Shown;
use super::policy::{Decision, Resource};
use crate::service::error::{ApiError, ErrorCode};

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Permit {
    bound: Option<Arc<Bound>>,
    from: Option<SocketAddr>,
}

/// Whose permit it is.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) access: Arc<Access>,
    pub(super) principal: Arc<str>,
    pub(super) namespace: Arc<str>,
    /// Names.
    pub(super) policies: Vec<Arc<str>>,
    /// By which credential, where that may end before the process does.
    pub(super) shown: Option<Shown>,
    /// When the token ends that it is by.
    pub(super) until: Option<Timestamp>,
    /// By a callback URL, as the audit log knows it. It allows what is done by it, as whoever made the URL wanted.
    pub(super) url: Option<Arc<str>>,
}

impl Permit {
    pub(super) fn of(bound: Bound) -> Self {
        Self {
            bound: Some(Arc::new(bound)),
            from: None,
        }
    }

    /// Of whoever has a callback URL, for what is done by that alone.
    pub(crate) fn by_url(
        access: &Arc<Access>,
        principal: Arc<str>,
        namespace: Arc<str>,
        url: Arc<str>,
    ) -> Self {
        Self::of(Bound {
            access: Arc::clone(access),
            principal,
            namespace,
            policies: Vec::new(),
            shown: None,
            until: None,
            url: Some(url),
        })
    }

    /// The same, of a request from this address.
    pub(crate) fn from(mut self, address: Option<SocketAddr>) -> Self {
        self.from = address;
        self
    }

    /// Whether it has bounds at all.
    pub(crate) fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// Refuses what the policies do not allow. A token leads to what it is on only later, where its execution is: here it
    /// is refused if the action is allowed on nothing.
    ///
    /// # Errors
    /// `AccessDeniedException`, in AWS's words. It does not depend on whether the resource exists.
    pub(crate) fn check(&self, action: Action, subject: Subject<'_>) -> Result<(), ApiError> {
        let Some(bound) = &self.bound else {
            return Ok(());
        };
        let (decision, resource) = bound.judge(action, subject);
        let answer = bound.refusal(decision, action, &resource);
        // What is on a token is written down where the token's task is known.
        let later = matches!(subject, Subject::Token(_)) && answer.is_ok();
        if later {
            return Ok(());
        }
        self.write_down(action, &resource, None, answer)
    }

    /// The same about a task of this execution, by its activity or state machine.
    ///
    /// # Errors
    /// As [`Permit::check`].
    pub(crate) fn check_task(
        &self,
        action: Action,
        arn: &str,
        execution: &Arc<str>,
    ) -> Result<(), ApiError> {
        let Some(bound) = &self.bound else {
            return Ok(());
        };
        let (decision, resource) = bound.judge(action, Subject::Arn(arn));
        let answer = bound.refusal(decision, action, &resource);
        self.write_down(action, &resource, Some(execution), answer)
    }

    /// Gives an answer, once the audit log has it.
    fn write_down(
        &self,
        action: Action,
        resource: &Resource,
        execution: Option<&Arc<str>>,
        answer: Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let Some(bound) = &self.bound else {
            return answer;
        };
        let audit = &bound.access.audit;
        let is_wanted = answer.is_err() || bound.url.is_some() || audit.takes(action);
        if !audit.is_on() || !is_wanted {
            return answer;
        }
        audit.check()?;
        audit.write(|at| Record {
            at,
            principal: bound.principal.clone(),
            namespace: bound.namespace.clone(),
            credential: bound.credential(),
            from: self.from,
            action: Some(action.to_string()),
            resource: Some(resource.full()),
            execution: execution.cloned(),
            decision: if answer.is_ok() { "allowed" } else { "denied" },
            reason: answer.as_ref().err().map(|error| error.message.clone()),
        });
        answer
    }

    /// Whether it is allowed, without asking for it.
    pub(crate) fn allows(&self, action: Action, subject: Subject<'_>) -> bool {
        let bound = self.bound.as_ref();
        bound.is_none_or(|bound| bound.judge(action, subject).0 == Decision::Allowed)
    }

    /// Refuses what is about the whole installation to everybody but the principals of its own account, whatever their
    /// policies say: those of other accounts write their policies themselves.
    ///
    /// # Errors
    /// `AccessDeniedException`.
    pub(crate) fn check_operator(&self, what: &str) -> Result<(), ApiError> {
        match &self.bound {
            Some(bound) if !bound.access.is_operator(&bound.namespace) => {
                let message = format!(
                    "{what} is about every account: only principals of the installation's own account may see it"
                );
                Err(ApiError::new(ErrorCode::AccessDeniedException, message))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Permit {
    /// Ends when this permit no longer counts, or no longer allows what it allowed. For what goes on after it was judged:
    /// streams and polls.
    pub(crate) async fn over(&self, still: impl Fn(&Self) -> bool) {
        let Some(bound) = &self.bound else {
            return std::future::pending().await;
        };
        let mut changes = bound.access.changes();
        loop {
            changes.mark_unchanged();
            let Some(end) = bound.end() else {
                return;
            };
            if !still(self) {
                return;
            }
            let left = end.map(|end| end.0 - bound.access.clock.now().0);
            let expiry = async {
                match left.map(u64::try_from) {
                    None => std::future::pending().await,
                    Some(left) => {
                        tokio::time::sleep(Duration::from_millis(left.unwrap_or(0))).await
                    }
                }
            };
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = expiry => {}
            }
        }
    }

    /// Whether its credential has ended meanwhile.
    pub(crate) fn has_ended(&self) -> bool {
        self.bound
            .as_ref()
            .is_some_and(|bound| bound.end().is_none())
    }
}

impl Bound {
    /// When what it is by ends: never, or then; none when it has ended.
    fn end(&self) -> Option<Option<Timestamp>> {
        match (&self.shown, self.until) {
            (Some(shown), _) => self.access.end_of(shown),
            (None, Some(until)) => (until > self.access.clock.now()).then_some(Some(until)),
            (None, None) => Some(None),
        }
    }

    /// As the audit log knows what it is by.
    fn credential(&self) -> Option<Arc<str>> {
        let shown = self.shown.as_ref().map(|shown| shown.key_id.clone());
        shown.or_else(|| self.url.clone())
    }

    fn judge(&self, action: Action, subject: Subject<'_>) -> (Decision, Resource) {
        let (access, names) = (&self.access, &self.policies);
        let resource = access.resource(&self.namespace, action, subject);
        if self.url.is_some() {
            return (Decision::Allowed, resource);
        }
        let decision = match subject {
            Subject::Token(_) => access.decide_unseen(&self.namespace, names, action),
            Subject::Arn(_) | Subject::Named { .. } | Subject::All { .. } => {
                access.decide(&self.namespace, names, action, &resource)
            }
        };
        (decision, resource)
    }

    fn refusal(
        &self,
        decision: Decision,
        action: Action,
        resource: &Resource,
    ) -> Result<(), ApiError> {
        let why = match decision {
            Decision::Allowed => return Ok(()),
            Decision::Denied => "with an explicit deny in an identity-based policy".to_owned(),
            Decision::NotAllowed => {
                format!("because no identity-based policy allows the {action} action")
            }
        };
        let message = format!(
            "User: {} is not authorized to perform: {action} on resource: {} {why}",
            self.principal,
            resource.full()
        );
        Err(ApiError::new(ErrorCode::AccessDeniedException, message))
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.bound {
            Some(bound) => f.debug_tuple("Permit").field(&bound.policies).finish(),
            None => f.write_str("Permit(unbound)"),
        }
    }
}
