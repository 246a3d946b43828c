//! stub
use crate::http::url::Url;
/// r
pub fn resolve(_location: &str, base: &Url, _path: &str) -> Result<Url, ()> {
    Ok(base.clone())
}
/// w
pub fn rewrite(_rendered: &[u8], _target: &str, _authority: &str, _keep: bool) -> Option<Vec<u8>> {
    None
}
