//! Lists that come in pages.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::fault::Fault;
use super::output::Output;

/// Items of a list and whether more exist.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) more: bool,
}

/// Requests at once, of those that each item of a list needs.
const REQUESTS_AT_ONCE: usize = 16;
/// Largest page that the API gives.
const PAGE_ITEMS_MAX: usize = 1000;

/// Fetches pages by `fetch(page size, page token)` until `limit` items are there or the list ends.
pub(crate) async fn collect<T, F>(
    limit: usize,
    mut fetch: impl FnMut(i32, String) -> F,
) -> Result<Listed<T>, Fault>
where
    F: Future<Output = Result<(Vec<T>, String), Fault>>,
{
    let mut items = Vec::new();
    let mut token = String::new();
    while items.len() < limit {
        let size = (limit - items.len()).min(PAGE_ITEMS_MAX);
        let size = i32::try_from(size).expect("a page size is at most 1000");
        let (page, next) = fetch(size, token).await?;
        items.extend(page);
        token = next;
        if token.is_empty() {
            break;
        }
    }
    let more = !token.is_empty() || items.len() > limit;
    items.truncate(limit);
    Ok(Listed { items, more })
}

/// What is asked for each item of a list, some at once; in the list's order.
pub(crate) async fn each<T, F>(requests: impl Iterator<Item = F>) -> Result<Vec<T>, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    stream::iter(requests)
        .buffered(REQUESTS_AT_ONCE)
        .try_collect()
        .await
}

/// Tells a list that needs no table: the document that is asked for, or that there is nothing, and what makes some.
/// False when a table is wanted.
pub(crate) fn told<T>(
    items: &[T],
    name: &str,
    json: impl Fn(&T) -> serde_json::Value,
    none: &str,
    output: &mut Output,
) -> Result<bool, Fault> {
    if output.is_json() {
        let items: Vec<_> = items.iter().map(json).collect();
        output.document(&serde_json::json!({ name: items }))?;
        return Ok(true);
    }
    if items.is_empty() {
        output.remark(none);
    }
    Ok(items.is_empty())
}

impl<T> Listed<T> {
    pub(crate) fn remark_if_cut(&self, output: &mut Output) {
        if self.more {
            output.remark(format!(
                "only {} are shown; --limit N shows more",
                self.items.len()
            ));
        }
    }
}
