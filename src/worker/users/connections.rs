//! Which connection a user's request goes to.

use super::user::NONE;
use super::{Flow, UserLinks, Users};
use crate::transport::AddRoute;
use crate::units::Nanos;
use crate::worker::exchange::Exchange;
use crate::worker::flow::ask::{Ask, Waits};
use crate::worker::links::{Manner, State};

/// Places for connections: free ones, and those that somebody has left.
pub(super) struct ConnectionPlaces {
    free: Vec<u32>,
    /// Nobody's either, with connections that users of an earlier window have left.
    kept: Vec<u32>,
    /// Users that have none.
    without: u32,
}

impl ConnectionPlaces {
    pub(super) fn new(places: u32) -> ConnectionPlaces {
        ConnectionPlaces { free: (0..places).rev().collect(), kept: Vec::new(), without: 0 }
    }

    /// Nobody has a place, and so many users may come for one.
    pub(super) fn are_for(&mut self, users: u32) {
        self.without = users;
    }

    /// One for a user that has places already, or for one that has none; best one whose connection `suits`. With at least as many
    /// places as users each user can have one at any time: nobody takes a second one that somebody without any could come for.
    fn take(&mut self, has_one: bool, suits: impl Fn(u32) -> bool) -> Option<u32> {
        if has_one && self.free.len() + self.kept.len() <= self.without as usize {
            return None;
        }
        let place = match self.kept.iter().rposition(|place| suits(*place)) {
            Some(at) => self.kept.swap_remove(at),
            None => self.free.pop().or_else(|| self.kept.pop())?,
        };
        self.without -= u32::from(!has_one);
        Some(place)
    }
}

impl<F: Flow> Users<F> {
    /// Puts a request on a connection of its user: one to the same origin that is free, else one more.
    pub(super) fn place<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        user: u32,
        mut exchange: Exchange<Ask>,
        now: Nanos,
    ) {
        match self.connection_for(links, user, exchange.ask.terms.origin) {
            Some(slot) if links.get(slot).is_open() => links.assign(slot, exchange),
            Some(slot) => {
                exchange.ask.waits = Some(Box::new(Waits { wanted: now, ..Waits::default() }));
                links.assign(slot, exchange);
                links.want(slot, now);
            }
            None => self.without_place.push_back((user, exchange)),
        }
    }

    fn connection_for<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        user: u32,
        origin: u32,
    ) -> Option<u32> {
        let (mut at, mut closed, mut other) = (self.users[user as usize].first_link, NONE, NONE);
        while at != NONE {
            let link = links.get(at);
            if link.exchanges() == 0 {
                match (link.origin() == origin, link.is_open()) {
                    (true, true) => return Some(at),
                    (true, false) => closed = at,
                    (false, _) => other = at,
                }
            }
            at = link.own.next;
        }
        if closed != NONE {
            return Some(closed);
        }
        let suits = |slot| links.get(slot).is_open() && links.get(slot).origin() == origin;
        if let Some(slot) = self.places.take(self.users[user as usize].first_link != NONE, suits) {
            let first = std::mem::replace(&mut self.users[user as usize].first_link, slot);
            if !suits(slot) {
                links.abandon(slot, Manner::Close, |_| {});
                links.send_to(slot, origin);
            }
            let link = links.get_mut(slot);
            link.own.user = user;
            link.own.next = first;
            return Some(slot);
        }
        // No more than there is room for: one to another origin makes way.
        (other != NONE).then(|| {
            links.abandon(other, Manner::Close, |_| {});
            links.send_to(other, origin);
            other
        })
    }

    /// Tries again to place what no place was free for.
    #[cold]
    pub(super) fn look_for_places<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, now: Nanos) {
        for _ in 0..self.without_place.len() {
            let Some((user, exchange)) = self.without_place.pop_front() else { return };
            self.place(links, user, exchange, now);
        }
    }

    /// Closes all connections of a user whose iteration is over: nothing is outstanding on any.
    pub(super) fn reset_connections<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, user: u32) {
        let mut at = self.users[user as usize].first_link;
        while at != NONE {
            links.abandon(at, Manner::Reset, |_| {});
            at = links.get(at).own.next;
        }
    }

    /// Lets go all connections of a user that is not to use them any more, and what is under way on them. They are closed, or
    /// stay for users of the next window.
    pub(super) fn give_up_connections<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        user: u32,
        stay: bool,
    ) {
        let mut at = std::mem::replace(&mut self.users[user as usize].first_link, NONE);
        self.places.without += u32::from(at != NONE);
        while at != NONE {
            self.cut_off(links, at);
            if stay && links.get(at).is_open() {
                self.places.kept.push(at);
            } else {
                links.abandon(at, Manner::Close, |_| {});
                self.places.free.push(at);
            }
            let link = links.get_mut(at);
            at = std::mem::take(&mut link.own).next;
        }
    }

    /// Cuts off whatever requests of a user are open, their connections with them.
    #[inline]
    pub(super) fn cut_off_requests<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, user: u32) {
        if std::mem::take(&mut self.users[user as usize].open) > 0 {
            self.cut_off_open(links, user);
        }
    }

    #[cold]
    fn cut_off_open<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, user: u32) {
        let mut at = self.users[user as usize].first_link;
        while at != NONE {
            self.cut_off(links, at);
            at = links.get(at).own.next;
        }
        for _ in 0..self.without_place.len() {
            let Some((of, exchange)) = self.without_place.pop_front() else { return };
            if of == user {
                self.was_cut_off(links, exchange);
            } else {
                self.without_place.push_back((of, exchange));
            }
        }
    }

    fn cut_off<D: AddRoute>(&mut self, links: &mut UserLinks<D, F>, slot: u32) {
        if links.get(slot).exchanges() == 0 {
            return;
        }
        let mut cut_off = Vec::new();
        links.abandon(slot, Manner::Close, |exchange| cut_off.push(exchange));
        cut_off.into_iter().for_each(|exchange| self.was_cut_off(links, exchange));
    }

    /// Whether any request of a user is on the way.
    pub(super) fn waits_for_response<D: AddRoute>(&self, links: &UserLinks<D, F>, user: u32) -> bool {
        let mut at = self.users[user as usize].first_link;
        while at != NONE {
            let link = links.get(at);
            if link.state() == State::Open && link.has_sent() {
                return true;
            }
            at = link.own.next;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_place_of_somebody_who_has_none() {
        let mut places = ConnectionPlaces::new(3);
        places.are_for(2);
        let nothing = |_| false;
        assert_eq!(places.take(false, nothing), Some(0));
        assert_eq!(places.take(true, nothing), Some(1), "one to spare");
        assert_eq!(places.take(true, nothing), None, "the last one is the other user's");
        assert_eq!(places.take(false, nothing), Some(2));
        assert_eq!(places.take(false, nothing), None);
    }

    #[test]
    fn connections_that_were_left_serve_whom_they_suit() {
        let mut places = ConnectionPlaces::new(2);
        places.kept = vec![7, 8, 9];
        places.are_for(4);
        assert_eq!(places.take(false, |place| place == 8), Some(8));
        assert_eq!(
            places.take(false, |_| false),
            Some(0),
            "an empty place is better than one that does not suit"
        );
        assert_eq!(places.take(true, |_| true), Some(9), "three places, two users that have none");
        assert_eq!(places.take(true, |_| true), None);
        assert_eq!(places.take(false, |_| false), Some(1));
        assert_eq!(places.take(false, |_| false), Some(7), "it makes way");
    }
}
