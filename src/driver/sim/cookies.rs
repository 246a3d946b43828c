//! Which cookies the peer has given to whom, and whether they come back as given.

use std::collections::HashMap;

use super::books::PeerBooks;
use super::requests::{Asked, Cookie};

/// Who was given which cookie. A cookie is a number, given once.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    /// By number: to whom, a user and the host that it asked.
    given: Vec<(u32, u64)>,
    /// The last one that was handed over to each.
    latest: HashMap<(u32, u64), u32>,
}

impl Cookies {
    /// A cookie for whoever asked; `None` if that is unknown.
    pub(super) fn give(&mut self, asked: &Asked) -> Option<u32> {
        let user = asked.user?;
        self.given.push((user, asked.host));
        Some(self.given.len() as u32 - 1)
    }

    /// The response with this cookie was handed over whole.
    pub(super) fn handed_over(&mut self, cookie: u32, books: &mut PeerBooks) {
        books.cookies_given += 1;
        self.latest.insert(self.given[cookie as usize], cookie);
    }

    /// Enters what a request brings back.
    pub(super) fn hold_against(&self, asked: &Asked, books: &mut PeerBooks) {
        let Some(user) = asked.user else { return };
        let owner = (user, asked.host);
        let latest = self.latest.get(&owner);
        match asked.cookie {
            Cookie::None => books.cookies_missing += u64::from(latest.is_some()),
            Cookie::Own(cookie) if latest == Some(&cookie) => books.cookies_returned += 1,
            Cookie::Own(cookie) if self.given.get(cookie as usize) == Some(&owner) => {
                books.cookies_stale += 1
            }
            Cookie::Own(_) | Cookie::Other => books.cookies_foreign += 1,
        }
    }
}
