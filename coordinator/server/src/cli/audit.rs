//! `stepfleet audit …`: checks an audit log. It calls nobody.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::fault::{Fault, Outcome};
use super::output::Output;
use crate::auth::audit;

/// The audit log.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that a log's lines are those that were written, in their order
    Verify(VerifyArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    /// Its files, oldest first (audit.jsonl.2 audit.jsonl.1 audit.jsonl)
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl AuditCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::Verify(_) => "verify the audit log".to_owned(),
        }
    }

    pub(crate) fn carry_out(&self, output: &mut Output) -> Result<Outcome, Fault> {
        let Self::Verify(args) = self;
        let verified = match audit::verify(&args.files) {
            Ok(verified) => verified,
            Err(fault) => {
                if output.is_json() {
                    output.document(&json!({"whole": false, "fault": fault}))?;
                } else {
                    output.line(format!("not whole: {fault}"))?;
                }
                return Ok(Outcome::Negative);
            }
        };
        if output.is_json() {
            output.document(&json!({
                "whole": true, "first": verified.first, "last": verified.last, "hash": verified.hash,
                "lost": verified.lost,
            }))?;
            return Ok(Outcome::Done);
        }
        output.line(format!(
            "whole: {} to {}, the last with the hash {}",
            verified.first, verified.last, verified.hash
        ))?;
        if verified.lost > 0 {
            output.remark(format!(
                "{} records found no room when they were made",
                verified.lost
            ));
        }
        Ok(Outcome::Done)
    }
}
