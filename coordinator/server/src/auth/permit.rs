//! What one caller may do. Every caller has a permit; that of the coordinator itself, and of everybody where nobody has
//! to say who they are, has no bounds.

use std::sync::Arc;

use stepfleet_proto::{Action, Subject};

use super::access::Access;
use super::policy::{Decision, Resource};
use crate::service::error::{ApiError, ErrorCode};

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Permit {
    bound: Option<Arc<Bound>>,
}

/// Whose permit it is.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) access: Arc<Access>,
    pub(super) principal: Arc<str>,
    pub(super) namespace: Arc<str>,
    /// Names.
    pub(super) policies: Vec<Arc<str>>,
}

impl Permit {
    pub(super) fn of(bound: Bound) -> Self {
        Self {
            bound: Some(Arc::new(bound)),
        }
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
        let (access, names) = (&bound.access, &bound.policies);
        let resource = access.resource(&bound.namespace, action, subject);
        let decision = match subject {
            Subject::Token(_) => access.decide_unseen(&bound.namespace, names, action),
            Subject::Arn(_) | Subject::Named { .. } | Subject::All { .. } => {
                access.decide(&bound.namespace, names, action, &resource)
            }
        };
        bound.refusal(decision, action, &resource)
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

impl Bound {
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
