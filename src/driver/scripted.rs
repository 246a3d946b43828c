//! A driver for tests of what lies around one: the test is the kernel, sees what is asked for, and says what comes of it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::{Buffer, Completion, ConnId, Driver, DriverCounters, Endpoint, Event, PayloadId, Wait, append};
use crate::units::Nanos;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Connect(ConnId, u32),
    /// With its bytes, and whether it is to report.
    Send(Vec<u8>, bool),
    Discard(u64),
    /// With a reset or without.
    Close(ConnId, bool),
}

pub(crate) struct ScriptedDriver {
    payloads: Vec<Arc<[u8]>>,
    drafts: Vec<Vec<u8>>,
    endpoints: u32,
    told: Vec<Verb>,
    coming: VecDeque<Completion>,
    /// By number; none that was given back.
    lent: Vec<Option<Vec<u8>>>,
}

impl ScriptedDriver {
    pub(crate) fn new(slots: usize, payloads: Vec<Arc<[u8]>>, endpoints: u32) -> ScriptedDriver {
        ScriptedDriver {
            payloads,
            drafts: vec![Vec::new(); slots],
            endpoints,
            told: Vec::new(),
            coming: VecDeque::new(),
            lent: Vec::new(),
        }
    }

    /// What was asked for since the last time.
    pub(crate) fn told(&mut self) -> Vec<Verb> {
        std::mem::take(&mut self.told)
    }

    pub(crate) fn comes(&mut self, conn: ConnId, event: Event) {
        self.coming.push_back(Completion { conn, event });
    }

    pub(crate) fn arrives(&mut self, conn: ConnId, bytes: &[u8]) {
        let id = append(&mut self.lent, Some(bytes.to_vec())) as u16;
        self.comes(conn, Event::Data(Buffer::new(id, bytes.len() as u32)));
    }

    /// Whether every buffer was given back.
    pub(crate) fn has_all_back(&mut self) -> bool {
        let all = self.lent.iter().all(Option::is_none);
        self.lent.clear();
        all
    }
}

impl Driver for ScriptedDriver {
    fn now(&mut self) -> Nanos {
        Nanos(7)
    }
    fn add_endpoint(&mut self, _: Endpoint) -> u32 {
        self.endpoints += 1;
        self.endpoints - 1
    }
    fn connect(&mut self, conn: ConnId, endpoint: u32) {
        self.told.push(Verb::Connect(conn, endpoint));
    }
    fn send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        let bytes = match payload {
            PayloadId::DRAFT => &self.drafts[conn.slot as usize][..],
            PayloadId(at) => &self.payloads[at as usize],
        };
        assert!(len > 0, "nothing is no send");
        self.told.push(Verb::Send(bytes[..len as usize].to_vec(), notify));
    }
    fn draft(&mut self, slot: u32) -> &mut Vec<u8> {
        &mut self.drafts[slot as usize]
    }
    fn drafted(&self, slot: u32) -> &[u8] {
        &self.drafts[slot as usize]
    }
    fn discard(&mut self, _: ConnId, bytes: u64) {
        self.told.push(Verb::Discard(bytes));
    }
    fn close(&mut self, conn: ConnId, reset: bool) {
        self.told.push(Verb::Close(conn, reset));
    }
    fn wait(&mut self, _: Wait) -> io::Result<()> {
        Ok(())
    }
    fn next(&mut self) -> Option<Completion> {
        self.coming.pop_front()
    }
    fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.lent[usize::from(buffer.id)].as_ref().expect("it is lent")
    }
    fn release(&mut self, buffer: Buffer) {
        assert!(self.lent[usize::from(buffer.id)].take().is_some(), "it was given back before");
    }
    fn counters(&self) -> DriverCounters {
        DriverCounters { enters: 3, ..DriverCounters::default() }
    }
}
