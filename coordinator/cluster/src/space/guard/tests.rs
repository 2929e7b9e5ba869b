//! Tables of states and actions, and a model of etcd that does what it is told.

use proptest::prelude::*;

use super::*;

const QUOTA: u64 = 1000;

fn guard() -> Guard {
    Guard::new(SpaceOptions {
        quota: QUOTA,
        ..SpaceOptions::default()
    })
}

/// Members by what is used and the size of the file, in percent; the first one leads.
fn look(at_s: u64, sizes: &[(u64, u64)]) -> Look {
    let size = |(at, (used, file)): (usize, &(u64, u64))| Size {
        at,
        id: 100 + at as u64,
        leads: at == 0,
        used: used * QUOTA / 100,
        file: file * QUOTA / 100,
        quota: None,
    };
    Look {
        now: Duration::from_secs(at_s),
        revision: 1,
        sizes: sizes.iter().enumerate().map(size).collect(),
        ..Look::default()
    }
}

fn defragment(at: usize) -> Action {
    Action::Defragment {
        at,
        id: 100 + at as u64,
    }
}

#[test]
fn states_go_by_what_is_used_and_do_not_flap() {
    use State::{Plenty, RefuseStarts, Tight};
    let expected = [
        (0, Plenty),
        (69, Plenty),
        (70, Tight),
        (84, Tight),
        (61, Tight),
        (59, Plenty),
        (69, Plenty),
        (85, RefuseStarts),
        (76, RefuseStarts),
        (74, Tight),
        (84, Tight),
        (99, RefuseStarts),
        (10, Plenty),
    ];
    let mut guard = guard();
    for (at, (used, state)) in (0..).zip(expected) {
        assert_eq!(guard.see(&look(at, &[(used, used)])), state, "{used} %");
    }
}

#[test]
fn the_member_with_least_room_counts_and_the_alarm_most() {
    let mut guard = guard();
    let mut sizes = look(0, &[(10, 10), (86, 86), (20, 20)]);
    assert_eq!(guard.see(&sizes), State::RefuseStarts);
    sizes.sizes[1].quota = Some(2 * QUOTA);
    assert_eq!(guard.see(&sizes), State::Plenty, "etcd's own quota wins");
    sizes.alarmed = vec![7];
    assert_eq!(guard.see(&sizes), State::Full);
    sizes.sizes.clear();
    assert_eq!(guard.see(&sizes), State::Full, "nobody says otherwise");
}

#[test]
fn a_file_at_the_quota_refuses_starts_until_it_is_defragmented() {
    let mut guard = guard();
    let full = look(0, &[(30, 96)]);
    assert_eq!(guard.see(&full), State::RefuseStarts);
    assert_eq!(guard.actions(&full), [Action::Touch, defragment(0)]);
    assert_eq!(guard.see(&look(1, &[(30, 30)])), State::Plenty);
}

#[test]
fn a_large_file_does_not_refuse_starts_for_longer_than_what_is_used() {
    let mut guard = guard();
    assert_eq!(guard.see(&look(0, &[(86, 91)])), State::RefuseStarts);
    let compacted = look(1, &[(43, 91)]);
    assert_eq!(guard.see(&compacted), State::RefuseStarts);
    assert!(guard.actions(&compacted).contains(&defragment(0)));
    assert_eq!(guard.see(&look(2, &[(43, 43)])), State::Plenty);
}

#[test]
fn members_are_defragmented_one_by_one_and_the_leader_last() {
    let mut guard = guard();
    let sizes = look(0, &[(10, 80), (10, 80), (10, 80)]);
    guard.see(&sizes);
    let mut order = Vec::new();
    while let [action] = guard.actions(&sizes)[..] {
        guard.began(action, sizes.now);
        order.push(action);
    }
    assert_eq!(order, [defragment(1), defragment(2), defragment(0)]);
    let later = look(601, &[(10, 80), (10, 80), (10, 80)]);
    guard.see(&later);
    assert!(guard.actions(&later).contains(&defragment(1)));
}

#[test]
fn a_silent_member_puts_off_only_what_can_wait() {
    let mut guard = guard();
    let mut sizes = look(0, &[(10, 80), (10, 80)]);
    sizes.silent = 1;
    guard.see(&sizes);
    assert_eq!(guard.actions(&sizes), []);
    sizes.alarmed = vec![101, 102];
    guard.see(&sizes);
    let expected = [Action::Disarm(101), Action::Disarm(102), defragment(1)];
    assert_eq!(guard.actions(&sizes), expected);
}

#[test]
fn the_alarm_stays_while_a_file_has_no_room() {
    let mut guard = guard();
    let mut sizes = look(0, &[(10, 20), (88, 91)]);
    sizes.alarmed = vec![101];
    guard.see(&sizes);
    assert_eq!(guard.actions(&sizes), [], "there is nothing to gain");
    sizes.sizes[1].used = 800;
    guard.see(&sizes);
    assert_eq!(guard.actions(&sizes), [defragment(1)]);
}

#[test]
fn what_was_compacted_when_it_is_full_is_worth_a_defragmentation() {
    let mut guard = guard();
    let full = |at_s| Look {
        alarmed: vec![100],
        ..look(at_s, &[(97, 100)])
    };
    guard.see(&full(0));
    assert_eq!(guard.actions(&full(0)), []);
    guard.see(&full(5));
    assert_eq!(guard.actions(&full(5)), [Action::Compact(1)]);
    guard.began(Action::Compact(1), Duration::from_secs(5));
    assert_eq!(guard.actions(&full(6)), [defragment(0)]);
    guard.began(defragment(0), Duration::from_secs(6));
    let again = guard.actions(&full(16));
    assert_eq!(again, [defragment(0)], "the compaction may have gone on");
    assert_eq!(guard.actions(&full(60)), [], "it gained nothing");
}

#[test]
fn a_compaction_that_did_not_work_is_asked_for_again() {
    let mut guard = guard();
    guard.see(&look(0, &[(97, 97)]));
    let later = look(5, &[(97, 97)]);
    guard.see(&later);
    let expected = [Action::Compact(1), Action::Touch];
    assert_eq!(guard.actions(&later), expected);
    guard.began(Action::Compact(1), later.now);
    assert_eq!(guard.actions(&later), [Action::Touch]);
    guard.failed(Action::Compact(1));
    assert_eq!(guard.actions(&later), expected);
}

/// An etcd of one member that does what it is told at once. Per mille of its quota.
#[derive(Debug)]
struct Model {
    now: u64,
    /// What is written, and not deleted yet, by second.
    live: VecDeque<u64>,
    /// What is deleted and not compacted yet, by revision.
    dead: Vec<(i64, u64)>,
    file: u64,
    alarm: bool,
}

impl Model {
    fn used(&self) -> u64 {
        let dead = self.dead.iter().map(|(_, bytes)| bytes);
        self.live.iter().chain(dead).sum()
    }

    /// A second passes. Its revision is its number.
    fn pass(&mut self, guard: &mut Guard, written: u64) -> State {
        self.now += 1;
        if !self.alarm {
            self.live.push_back(written);
        }
        self.file = self.file.max(self.used());
        self.alarm |= self.file >= QUOTA;
        let mut look = look(self.now, &[(0, 0)]);
        look.sizes[0].used = self.used();
        look.sizes[0].file = self.file;
        look.revision = i64::try_from(self.now).unwrap();
        look.alarmed = self.alarm.then_some(100).into_iter().collect();
        let state = guard.see(&look);
        for action in guard.actions(&look) {
            guard.began(action, look.now);
            match action {
                Action::Compact(revision) => self.dead.retain(|(of, _)| *of > revision),
                Action::Touch => {}
                Action::Disarm(_) => self.alarm = false,
                Action::Defragment { .. } => self.file = self.used(),
            }
        }
        state
    }

    /// What is older than some seconds is deleted.
    fn trim(&mut self, keep: usize) {
        while self.live.len() > keep {
            let bytes = self.live.pop_front().unwrap();
            self.dead.push((i64::try_from(self.now).unwrap(), bytes));
        }
    }
}

proptest! {
    #[test]
    fn changes_of_less_than_a_tenth_never_bring_a_state_back(
        base in 0u64..90,
        around in prop::collection::vec(0u64..10, 1..50),
    ) {
        let mut guard = guard();
        let states = around.iter().map(|more| guard.see(&look(0, &[(base + more, 0)])));
        let states: Vec<State> = states.collect();
        prop_assert!(states.is_sorted(), "{states:?}");
    }

    #[test]
    fn history_younger_than_is_kept_is_never_compacted(
        looks in prop::collection::vec((1u64..30, 0u64..100), 1..100),
    ) {
        let (mut guard, mut now) = (guard(), 0);
        for (seconds, used) in looks {
            now += seconds;
            let mut look = look(now, &[(used, used)]);
            // The revision is the second.
            look.revision = i64::try_from(now).unwrap();
            let state = guard.see(&look);
            let keep = if state >= State::RefuseStarts || used >= 60 { 5 } else if used >= 40 { 45 } else { 300 };
            for action in guard.actions(&look) {
                guard.began(action, look.now);
                if let Action::Compact(revision) = action {
                    prop_assert!(revision + keep <= look.revision);
                }
            }
        }
    }

    /// Whatever it looks like when all but a part is trimmed: nobody has to do anything.
    #[test]
    fn room_comes_back_by_itself(live in 0u64..500, dead in 0u64..500, free in 0u64..1000) {
        let mut guard = guard();
        let file = (live + dead + free).min(QUOTA);
        let mut model = Model {
            now: 0,
            live: [live].into(),
            dead: vec![(1, dead)],
            file,
            alarm: file == QUOTA,
        };
        let mut state = State::Full;
        for _ in 0..60 {
            state = model.pass(&mut guard, 0);
        }
        prop_assert_eq!(state, State::Plenty, "{:?}", model);
        prop_assert!(!model.alarm && model.file < 950, "{:?}", model);
    }

    /// Deleted after five seconds, all that is written at up to 80 MB/s is compacted soon enough.
    #[test]
    fn history_alone_never_makes_it_tight(written in prop::collection::vec(0u64..=40, 200..400)) {
        let mut guard = guard();
        let mut model = Model { now: 0, live: VecDeque::new(), dead: vec![], file: 0, alarm: false };
        for bytes in written {
            let state = model.pass(&mut guard, bytes);
            prop_assert_eq!(state, State::Plenty, "{:?}", model);
            model.trim(5);
        }
    }
}
