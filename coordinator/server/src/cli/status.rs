//! `stepfleet status`: facts about the coordinator.

use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::output::{Output, Tone};
use super::table;

pub(crate) async fn status(client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let status = client.get_status(api::GetStatusRequest {}).await?;
    if output.is_json() {
        output.document(&serde_json::json!({
            "endpoint": client.endpoint(),
            "version": status.version,
            "clusterId": status.cluster_id,
            "partitions": status.partitions,
            "liveExecutions": status.live_executions,
            "residentExecutions": status.resident_executions,
            "refusing": if status.refusing.is_empty() { None } else { Some(&status.refusing) },
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
    ];
    let text = table::facts(output, &facts);
    output.line(text)?;
    Ok(Outcome::Done)
}
