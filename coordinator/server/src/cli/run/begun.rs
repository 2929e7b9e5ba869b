//! What a command does once an execution runs that it has started or redriven.

use super::super::client::Client;
use super::super::fault::{Fault, Outcome};
use super::super::names;
use super::super::output::{Output, Tone};
use super::super::time;
use super::{show, watch};

/// An execution that runs now.
pub(super) struct Begun {
    pub(super) arn: String,
    /// What was done to it.
    pub(super) word: &'static str,
    /// When, and the name of that.
    pub(super) date: (&'static str, Option<prost_types::Timestamp>),
    /// Its states are shown as they happen.
    pub(super) watch: bool,
    /// Its result is waited for.
    pub(super) wait: bool,
}

impl Begun {
    pub(super) async fn tell(self, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
        let arn = self.arn;
        if self.watch {
            return watch::follow(arn, client, output).await;
        }
        if self.wait {
            watch::until_closed(&arn, client, output).await?;
            return show::show_result(arn, client, output).await;
        }
        if output.is_json() {
            let (name, date) = self.date;
            output.document(&serde_json::json!({
                "executionArn": arn,
                name: time::utc(date.as_ref()),
            }))?;
        } else {
            let done = output.paint(Tone::Good, self.word);
            output.line(format!("{done} {}  {arn}", names::short_execution(&arn)))?;
        }
        Ok(Outcome::Done)
    }
}
