//! Variables by name: what one `Assign` sets, and what a frame's block holds. Most states and frames have none, so
//! none costs nothing, and clones share.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepfleet_asl::Payload;

/// Variables of one block, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Option<Arc<BTreeMap<Arc<str>, Payload>>>);

impl Variables {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub fn get(&self, name: &str) -> Option<&Payload> {
        self.0.as_deref()?.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Payload)> {
        self.0.iter().flat_map(|all| all.iter())
    }

    /// Size of the values, in bytes.
    pub fn bytes(&self) -> usize {
        self.iter().map(|(_, value)| value.len()).sum()
    }

    /// Sets what `assigned` names; the others keep their values.
    pub(crate) fn assign(&mut self, assigned: &Variables) {
        let Some(new) = &assigned.0 else { return };
        match &mut self.0 {
            None => self.0 = Some(new.clone()),
            Some(all) => {
                let new = new
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone()));
                Arc::make_mut(all).extend(new);
            }
        }
    }
}

impl FromIterator<(Arc<str>, Payload)> for Variables {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Payload)>>(variables: I) -> Self {
        let all: BTreeMap<_, _> = variables.into_iter().collect();
        Self((!all.is_empty()).then(|| Arc::new(all)))
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
        assert_eq!(block.bytes(), 5);
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
