//! stub
use crate::units::Nanos;
/// jar
#[derive(Debug, Default)]
pub struct CookieJar;
impl CookieJar {
    /// s
    pub fn store(&mut self, _head: &[u8], _host: &str, _path: &str, _secure: bool, _now: Nanos) {}
    /// h
    pub fn header(&self, _host: &str, _path: &str, _secure: bool, _now: Nanos, _out: &mut Vec<u8>) {}
}
