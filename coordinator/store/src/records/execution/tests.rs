//! Snapshots come back exactly.

use proptest::prelude::*;
use stepfleet_engine::execution::Status;

use super::*;
use crate::records::arbitrary::{data, execution};

proptest! {
    #[test]
    fn executions_come_back(execution in execution()) {
        prop_assert_eq!(decode(&encode(&execution)).unwrap(), execution);
    }

    #[test]
    fn damaged_snapshots_never_panic(execution in execution(), at in any::<prop::sample::Index>(), with: u8) {
        let mut bytes = encode(&execution);
        let at = at.index(bytes.len());
        bytes[at] = with;
        drop(decode(&bytes));
    }

    #[test]
    fn keys_order_as_ids_do(a: u128, b: u128) {
        let (a, b) = (ExecutionId(a), ExecutionId(b));
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        prop_assert_eq!(execution_of(&key(b)).unwrap(), b);
    }

    #[test]
    fn a_shared_payload_is_stored_once(execution in execution()) {
        let mut execution = execution;
        execution.status = Status::Succeeded;
        execution.input = data(89);
        execution.output = None;
        let once = encode(&execution).len();
        execution.output = Some(data(89));
        prop_assert!(encode(&execution).len() <= once + 3);
    }
}

#[test]
fn a_snapshot_without_a_payload_is_refused() {
    let text = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    assert!(text(&[]).contains("without"), "{}", text(&[]));
    assert!(
        text(&[0xFF]).contains("execution snapshot"),
        "{}",
        text(&[0xFF])
    );
}
