//! The room of one worker: its slots by activity, what is in them, and its bounds. A *credit* is a slot that a queue may use.
//! It is open, reserved for a task on its way, or parked while a bound of the worker keeps it from use; a task in hand has
//! taken one. No more of them are ever in use than the worker has slots, however these change meanwhile.

use stepfleet_engine::Timestamp;

use crate::matching::bucket::Bucket;

/// What a worker offers for one activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offered {
    pub slots: u32,
    /// Tasks that may start in 1000 seconds; none is no bound.
    pub rate_per_1000_s: Option<u64>,
}

/// Whether a task may have a credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    Yes,
    /// The credit is no longer there.
    Void,
    /// A bound of the worker keeps it. With a time: until its rate gives the next.
    Parked(Option<Timestamp>),
}

/// What a change of slots asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resized {
    Same,
    /// So many more credits are open.
    More(u32),
    /// Open credits are void: all begin anew.
    Fewer,
}

/// Credits that a rate lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unparked {
    pub count: u32,
    /// When there will be more, if some are left.
    pub next: Option<Timestamp>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Credits {
    rooms: Vec<Room>,
    /// Tasks at once over all activities.
    tasks_max: Option<u32>,
    /// Whose turn it is to get room under that bound.
    turn: usize,
}

#[derive(Debug, Default)]
struct Room {
    slots: u32,
    held: u32,
    reserved: u32,
    open: u32,
    parked: u32,
    bucket: Option<Bucket>,
}

impl Room {
    fn used(&self) -> u32 {
        self.held + self.reserved
    }

    fn free(&self) -> u32 {
        let taken = self.used() + self.open + self.parked;
        self.slots.saturating_sub(taken)
    }
}

impl Credits {
    pub(crate) fn new(offered: &[Offered], tasks_max: Option<u32>) -> Self {
        let room = |offered: &Offered| Room {
            slots: offered.slots,
            bucket: offered
                .rate_per_1000_s
                .map(|rate| Bucket::new(rate, Timestamp(0))),
            ..Room::default()
        };
        Self {
            rooms: offered.iter().map(room).collect(),
            tasks_max,
            turn: 0,
        }
    }

    pub(crate) fn tasks_max(&self) -> Option<u32> {
        self.tasks_max
    }

    pub(crate) fn slots(&self, activity: u32) -> u32 {
        self.room(activity).map_or(0, |room| room.slots)
    }

    pub(crate) fn rate_per_1000_s(&self, activity: u32) -> Option<u64> {
        self.room(activity)?.bucket.as_ref().map(Bucket::rate)
    }

    /// Credits that a queue may use.
    pub(crate) fn open(&self, activity: u32) -> u32 {
        self.room(activity).map_or(0, |room| room.open)
    }

    /// Takes an open credit for a task.
    pub(crate) fn reserve(&mut self, activity: u32, now: Timestamp) -> Reserved {
        let used: u32 = self.rooms.iter().map(Room::used).sum();
        let is_full = self.tasks_max.is_some_and(|max| used >= max);
        let Some(room) = self.room_mut(activity).filter(|room| room.open > 0) else {
            return Reserved::Void;
        };
        room.open -= 1;
        let rate = match &mut room.bucket {
            Some(bucket) if !is_full => bucket.check(now).err(),
            Some(_) | None => None,
        };
        if is_full || rate.is_some() {
            room.parked += 1;
            return Reserved::Parked(rate);
        }
        if let Some(bucket) = &mut room.bucket {
            bucket.take();
        }
        room.reserved += 1;
        Reserved::Yes
    }

    /// No task came of a reservation; whether its credit is open again.
    pub(crate) fn give_back(&mut self, activity: u32) -> bool {
        let Some(room) = self.room_mut(activity) else {
            return false;
        };
        room.reserved = room.reserved.saturating_sub(1);
        if let Some(bucket) = &mut room.bucket {
            bucket.give_back();
        }
        let free = room.free() > 0;
        room.open += u32::from(free);
        free
    }

    /// A task is in hand, for which a credit was reserved.
    pub(crate) fn hold(&mut self, activity: u32) {
        if let Some(room) = self.room_mut(activity) {
            room.reserved = room.reserved.saturating_sub(1);
            room.held += 1;
        }
    }

    /// A task is in hand since before a restart.
    pub(crate) fn adopt(&mut self, activity: u32) {
        if let Some(room) = self.room_mut(activity) {
            room.held += 1;
        }
    }

    /// A task is no longer in hand; the activities of which a credit is open now.
    pub(crate) fn release(&mut self, activity: u32) -> Vec<u32> {
        let mut opened = Vec::new();
        if let Some(room) = self.room_mut(activity) {
            room.held = room.held.saturating_sub(1);
            if room.free() > 0 {
                room.open += 1;
                opened.push(activity);
            }
        }
        if self.tasks_max.is_some() {
            self.unpark_one_of_each(&mut opened);
        }
        opened
    }

    /// Nothing is in hand any more.
    pub(crate) fn abandon(&mut self) {
        for room in &mut self.rooms {
            room.held = 0;
        }
    }

    /// Opens all credits anew: those that were open or parked are void.
    pub(crate) fn begin(&mut self) -> Vec<u32> {
        let open = |room: &mut Room| {
            room.parked = 0;
            room.open = 0;
            room.open = room.free();
            room.open
        };
        self.rooms.iter_mut().map(open).collect()
    }

    pub(crate) fn resize(&mut self, activity: u32, slots: u32) -> Resized {
        let Some(room) = self.room_mut(activity) else {
            return Resized::Same;
        };
        let before = std::mem::replace(&mut room.slots, slots);
        let more = room.free();
        if slots < before && room.used() + room.open + room.parked > slots {
            return Resized::Fewer;
        }
        room.open += more;
        if more > 0 {
            Resized::More(more)
        } else {
            Resized::Same
        }
    }

    /// Opens the parked credits that the activity's rate lets go.
    pub(crate) fn unpark(&mut self, activity: u32, now: Timestamp) -> Unparked {
        let none = Unparked {
            count: 0,
            next: None,
        };
        let Some(room) = self.room_mut(activity) else {
            return none;
        };
        let Some(bucket) = &mut room.bucket else {
            return none;
        };
        let whole = u32::try_from(bucket.whole(now)).unwrap_or(u32::MAX);
        let count = whole.min(room.parked);
        room.parked -= count;
        room.open += count;
        let next = (room.parked > 0).then(|| bucket.check(now).err().unwrap_or(now.plus_ms(1)));
        Unparked { count, next }
    }

    /// Under the bound over all activities there is room for one more: each that waits for it may try, in turn.
    fn unpark_one_of_each(&mut self, opened: &mut Vec<u32>) {
        let count = self.rooms.len().max(1);
        self.turn = (self.turn + 1) % count;
        for index in (self.turn..count).chain(0..self.turn) {
            let Some(room) = self.rooms.get_mut(index) else {
                continue;
            };
            if room.parked > 0 {
                room.parked -= 1;
                room.open += 1;
                opened.extend(u32::try_from(index));
            }
        }
        let turn = u32::try_from(self.turn).unwrap_or(0);
        // What was freed by one activity goes to others as well: it has no first choice.
        opened.sort_by_key(|activity| (*activity < turn, *activity));
    }

    fn room(&self, activity: u32) -> Option<&Room> {
        self.rooms.get(usize::try_from(activity).ok()?)
    }

    fn room_mut(&mut self, activity: u32) -> Option<&mut Room> {
        self.rooms.get_mut(usize::try_from(activity).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn credits(slots: &[u32], tasks_max: Option<u32>) -> Credits {
        let offered = slots.iter().map(|slots| Offered {
            slots: *slots,
            rate_per_1000_s: None,
        });
        let mut credits = Credits::new(&offered.collect::<Vec<_>>(), tasks_max);
        assert_eq!(credits.begin(), slots);
        credits
    }

    /// Takes as many as go, and holds them.
    fn fill(credits: &mut Credits, activity: u32) -> u32 {
        let mut count = 0;
        while credits.reserve(activity, NOW) == Reserved::Yes {
            credits.hold(activity);
            count += 1;
        }
        count
    }

    #[test]
    fn fewer_slots_are_obeyed_while_tasks_are_on_their_way_and_in_hand() {
        let mut credits = credits(&[4], None);
        for _ in 0..3 {
            assert_eq!(credits.reserve(0, NOW), Reserved::Yes);
        }
        credits.hold(0);
        assert_eq!(credits.resize(0, 2), Resized::Fewer);
        assert_eq!(credits.begin(), [0], "three are in use already");
        credits.hold(0);
        credits.hold(0);
        assert_eq!(credits.release(0), [0; 0], "two are in hand");
        assert_eq!(credits.release(0), [0]);
        assert_eq!(fill(&mut credits, 0), 1);
        assert_eq!(credits.resize(0, 5), Resized::More(3));
        assert_eq!(fill(&mut credits, 0), 3);
    }

    #[test]
    fn a_smaller_bound_that_nothing_exceeds_voids_nothing() {
        let mut credits = credits(&[2], None);
        assert_eq!(credits.resize(0, 3), Resized::More(1));
        assert_eq!(credits.resize(0, 3), Resized::Same);
        assert_eq!(credits.resize(0, 2), Resized::Fewer);
        assert_eq!(credits.begin(), [2]);
        assert_eq!(credits.reserve(0, NOW), Reserved::Yes);
        assert!(credits.give_back(0));
        assert_eq!(fill(&mut credits, 0), 2);
        assert_eq!(credits.reserve(0, NOW), Reserved::Void);
    }

    #[test]
    fn a_reservation_that_comes_to_nothing_after_a_change_is_not_open_again() {
        let mut credits = credits(&[1], None);
        assert_eq!(credits.reserve(0, NOW), Reserved::Yes);
        credits.resize(0, 0);
        credits.begin();
        assert!(!credits.give_back(0));
        assert_eq!(credits.open(0), 0);
    }

    #[test]
    fn the_bound_over_all_activities_is_shared_in_turn() {
        let mut credits = credits(&[4, 4], Some(3));
        assert_eq!(fill(&mut credits, 0), 3);
        assert_eq!(credits.reserve(1, NOW), Reserved::Parked(None));
        // A release opens one of each; whoever comes first has it, and the first is not always the same.
        let mut first = Vec::new();
        for _ in 0..4 {
            let opened = credits.release(0);
            first.push(opened[0]);
            for activity in opened {
                match credits.reserve(activity, NOW) {
                    Reserved::Yes => credits.hold(activity),
                    Reserved::Parked(None) => {}
                    other @ (Reserved::Void | Reserved::Parked(Some(_))) => panic!("{other:?}"),
                }
            }
        }
        assert!(first.contains(&0) && first.contains(&1), "{first:?}");
        let used: u32 = credits.rooms.iter().map(Room::used).sum();
        assert_eq!(used, 3);
    }

    #[test]
    fn a_rate_parks_credits_and_lets_them_go_in_time() {
        let offered = [Offered {
            slots: 8,
            rate_per_1000_s: Some(10_000),
        }];
        let mut credits = Credits::new(&offered, None);
        credits.begin();
        assert_eq!(credits.reserve(0, NOW), Reserved::Yes);
        let next = NOW.plus_ms(100);
        assert_eq!(credits.reserve(0, NOW), Reserved::Parked(Some(next)));
        assert_eq!(credits.reserve(0, NOW), Reserved::Parked(Some(next)));
        let unparked = credits.unpark(0, next);
        assert_eq!((unparked.count, unparked.next), (1, Some(next.plus_ms(1))));
        let taken = credits.reserve(0, next);
        assert_eq!(taken, Reserved::Yes);
        // One that did not go gives its token back.
        assert!(credits.give_back(0));
        assert_eq!(credits.reserve(0, next), Reserved::Yes);
    }
}
