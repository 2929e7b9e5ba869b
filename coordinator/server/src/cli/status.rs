//! `stepfleet status`: facts about the coordinator.

use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::fleet::warn_unserved;
use super::output::{Output, Tone};
use super::{names, table};

pub(crate) async fn status(client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let status = client.get_status(api::GetStatusRequest {}).await?;
    if output.is_json() {
        let unserved: Vec<_> = status
            .unserved_activities
            .iter()
            .map(|activity| {
                serde_json::json!({
                    "activityArn": activity.activity_arn,
                    "exists": activity.exists,
                    "queued": activity.queued,
                })
            })
            .collect();
        output.document(&serde_json::json!({
            "endpoint": client.endpoint(),
            "version": status.version,
            "clusterId": status.cluster_id,
            "partitions": status.partitions,
            "liveExecutions": status.live_executions,
            "residentExecutions": status.resident_executions,
            "refusing": if status.refusing.is_empty() { None } else { Some(&status.refusing) },
            "unservedCount": status.unserved_count,
            "unservedActivities": unserved,
        }))?;
        return Ok(Outcome::Done);
    }
    let starts = if status.refusing.is_empty() {
        output.paint(Tone::Good, "accepted")
    } else {
        output.paint(Tone::Bad, format!("refused: {}", status.refusing))
    };
    let facts = [
        ("endpoint", client.endpoint().to_owned()),
        ("version", status.version),
        ("cluster", status.cluster_id),
        ("partitions", status.partitions.to_string()),
        ("live executions", status.live_executions.to_string()),
        ("of them in memory", status.resident_executions.to_string()),
        ("starts", starts),
        ("unserved activities", status.unserved_count.to_string()),
    ];
    let text = table::facts(output, &facts);
    output.line(text)?;
    for activity in &status.unserved_activities {
        let name = names::name_of(&activity.activity_arn);
        warn_unserved(output, name, activity.exists, activity.queued);
    }
    let named = i64::try_from(status.unserved_activities.len()).unwrap_or(i64::MAX);
    if status.unserved_count > named {
        output.remark(format!(
            "only {named} of {} unserved activities are named",
            status.unserved_count
        ));
    }
    Ok(Outcome::Done)
}
