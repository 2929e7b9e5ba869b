//! Variables by name: what one `Assign` sets, and what a frame's block holds. Most states and frames have none, so
//! none costs nothing, and clones share.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepfleet_asl::Payload;

/// Variables of one block, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Option<Arc<Block>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Block {
    values: BTreeMap<Arc<str>, Payload>,
    /// Kept, since what an execution holds is asked after each decision.
    bytes: usize,
}

impl Variables {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub fn get(&self, name: &str) -> Option<&Payload> {
        self.0.as_deref()?.values.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Payload)> {
        self.0.iter().flat_map(|block| block.values.iter())
    }

    /// Size of the names and values, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.as_deref().map_or(0, |block| block.bytes)
    }

    /// Sets what `assigned` names; the others keep their values.
    pub(crate) fn assign(&mut self, assigned: &Variables) {
        let Some(new) = &assigned.0 else { return };
        match &mut self.0 {
            None => self.0 = Some(new.clone()),
            Some(block) => {
                let block = Arc::make_mut(block);
                for (name, value) in &new.values {
                    block.set(name.clone(), value.clone());
                }
            }
        }
    }
}

impl Block {
    fn set(&mut self, name: Arc<str>, value: Payload) {
        let name_bytes = name.len();
        self.bytes += name_bytes + value.len();
        if let Some(old) = self.values.insert(name, value) {
            self.bytes -= name_bytes + old.len();
        }
    }
}

impl FromIterator<(Arc<str>, Payload)> for Variables {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Payload)>>(variables: I) -> Self {
        let mut block = Block::default();
        for (name, value) in variables {
            block.set(name, value);
        }
        Self((!block.values.is_empty()).then(|| Arc::new(block)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let pairs = pairs.iter();
        pairs
            .map(|(name, text)| (Arc::from(*name), Payload::parse(*text).unwrap()))
            .collect()
    }

    #[test]
    fn an_assignment_replaces_what_it_names_and_keeps_the_rest() {
        let mut block = variables(&[("a", "1"), ("b", "2")]);
        let before = block.clone();
        block.assign(&variables(&[("b", "[3]"), ("c", "4")]));
        assert_eq!(block, variables(&[("a", "1"), ("b", "[3]"), ("c", "4")]));
        assert_eq!(block.bytes(), "a1b[3]c4".len());
        assert_eq!(before.get("b"), Some(&Payload::parse("2").unwrap()));
    }

    #[test]
    fn none_is_one_value() {
        let mut block = Variables::default();
        block.assign(&variables(&[]));
        assert_eq!(block, variables(&[]));
        assert!(block.is_empty());
    }
}
