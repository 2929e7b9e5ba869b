//! The results of a Parallel's branches or a Map's iterations. Clones share what does not change: every decision works
//! on a copy of the execution, so a copy of all results would make each item of a Map as dear as all of them together.

use std::sync::Arc;

use crate::event::Data;

/// Slots of a leaf, and children of an inner node.
const WIDTH: usize = 16;

/// One slot for each child, empty until the child has succeeded. A clone costs nothing, a write copies one path of a
/// tree that is as deep as the logarithm of the length.
#[derive(Clone, Debug)]
pub struct Results {
    length: usize,
    filled: usize,
    /// Slots below one child of the root; 1 when the root is a leaf.
    stride: usize,
    root: Arc<Tree>,
}

#[derive(Clone, Debug)]
enum Tree {
    Leaf([Option<Data>; WIDTH]),
    Inner([Arc<Tree>; WIDTH]),
}

impl Results {
    /// As many empty slots. They take no memory of their own.
    pub fn empty(length: usize) -> Self {
        let mut root = Arc::new(Tree::Leaf([const { None }; WIDTH]));
        let mut stride = 1_usize;
        while stride.saturating_mul(WIDTH) < length {
            root = Arc::new(Tree::Inner(std::array::from_fn(|_| root.clone())));
            stride *= WIDTH;
        }
        Self {
            length,
            filled: 0,
            stride,
            root,
        }
    }

    /// Slots, empty ones included.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no slots at all.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether every child has succeeded.
    pub fn is_complete(&self) -> bool {
        self.filled == self.length
    }

    /// The slots, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&Data>> {
        (0..self.length).map(|index| self.get(index))
    }

    /// The result in a slot.
    pub fn get(&self, index: usize) -> Option<&Data> {
        if index >= self.length {
            return None;
        }
        let (mut tree, mut stride) = (&*self.root, self.stride);
        loop {
            match tree {
                Tree::Leaf(slots) => return slots.get(index % WIDTH)?.as_ref(),
                Tree::Inner(children) => tree = children.get(index / stride % WIDTH)?,
            }
            stride /= WIDTH;
        }
    }

    /// Fills a slot; one that does not exist is left out.
    pub fn set(&mut self, index: usize, data: Data) {
        if index >= self.length {
            return;
        }
        let (mut tree, mut stride) = (&mut self.root, self.stride);
        loop {
            match Arc::make_mut(tree) {
                Tree::Leaf(slots) => {
                    let before = slots[index % WIDTH].replace(data);
                    self.filled += usize::from(before.is_none());
                    return;
                }
                Tree::Inner(children) => tree = &mut children[index / stride % WIDTH],
            }
            stride /= WIDTH;
        }
    }
}

impl PartialEq for Results {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.iter().eq(other.iter())
    }
}

impl FromIterator<Option<Data>> for Results {
    fn from_iter<I: IntoIterator<Item = Option<Data>>>(slots: I) -> Self {
        let slots: Vec<Option<Data>> = slots.into_iter().collect();
        let mut results = Self::empty(slots.len());
        for (index, slot) in slots.into_iter().enumerate() {
            if let Some(data) = slot {
                results.set(index, data);
            }
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use stepfleet_asl::Payload;

    use super::*;
    use crate::ids::PayloadId;

    fn data(number: usize) -> Data {
        Data {
            id: PayloadId(u32::try_from(number).unwrap()),
            payload: Payload::trusted(number.to_string()),
        }
    }

    #[test]
    fn every_slot_holds_what_was_put_there_whatever_the_length() {
        for length in [0, 1, 15, 16, 17, 255, 256, 257, 4_095, 4_097, 70_000] {
            let mut results = Results::empty(length);
            assert_eq!((results.len(), results.is_empty()), (length, length == 0));
            for index in (0..length).rev() {
                assert!(!results.is_complete());
                results.set(index, data(index));
            }
            assert!(results.is_complete());
            let found: Vec<Data> = results.iter().flatten().cloned().collect();
            assert_eq!(found, (0..length).map(data).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_clone_keeps_what_it_had() {
        let mut results = Results::empty(1_000);
        results.set(7, data(7));
        let before = results.clone();
        results.set(7, data(8));
        results.set(999, data(999));
        assert_eq!(before.get(7), Some(&data(7)));
        assert_eq!(before.get(999), None);
        assert_ne!(before, results);
        assert_eq!(results.iter().flatten().count(), 2);
    }

    #[test]
    fn a_slot_that_does_not_exist_is_left_out() {
        let mut results = Results::empty(3);
        results.set(3, data(3));
        assert_eq!(results, Results::empty(3));
        assert_eq!(results.get(3), None);
    }

    #[test]
    fn a_list_of_slots_reads_back_as_it_was() {
        let slots: Vec<Option<Data>> = (0..40).map(|i| (i % 3 > 0).then(|| data(i))).collect();
        let results: Results = slots.iter().cloned().collect();
        let back: Vec<Option<Data>> = results.iter().map(|slot| slot.cloned()).collect();
        assert_eq!(back, slots);
    }
}
