//! What a simulated peer did.

/// What the peer did, to hold against what the worker counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerBooks {
    /// Connections that came to stand.
    pub connects: u64,
    /// Connects refused.
    pub refused: u64,
    /// Requests received to their last byte.
    pub requests: u64,
    /// Bytes received.
    pub request_bytes: u64,
    /// Responses whose last byte arrived on a connection that was still open.
    pub responses: u64,
    /// Bytes of responses, whole or not, and of garbage, that arrived on connections still open.
    pub response_bytes: u64,
    /// Responses whose last byte was handed to the worker by `next` before it closed the connection.
    pub delivered: u64,
    /// Connections that the peer reset.
    pub resets: u64,
    /// Connections that the peer closed.
    pub eofs: u64,
    /// Responses replaced by garbage that arrived.
    pub garbage: u64,
    /// Responses that were put off for an hour.
    pub late: u64,
    /// Connections that the worker closed, standing or not.
    pub closed_by_worker: u64,
    /// Completions made up for closed generations.
    pub stale: u64,
    /// Connects that failed in another way than being refused.
    pub connect_errors: u64,
    /// Connections that broke with another error than a reset, instead of a response.
    pub stream_errors: u64,
    /// Sends that failed.
    pub send_errors: u64,
    /// Sends of which the kernel never took the rest.
    pub stuck: u64,
    /// Responses to requests that were not whole yet. Such a request counts in `requests` only once it is.
    pub early: u64,
    /// Responses that redirect.
    pub redirects: u64,
    /// Cookies that were handed over, in whole responses.
    pub cookies_given: u64,
    /// Requests with the last cookie that their user was given by their host, and nothing else. Requests that do not
    /// say whose they are count in none of these.
    pub cookies_returned: u64,
    /// Requests with an earlier one.
    pub cookies_stale: u64,
    /// Requests without, whose user has one.
    pub cookies_missing: u64,
    /// Requests with another user's or another host's cookie, or with more than one.
    pub cookies_foreign: u64,
    /// Connections that an outage has reset.
    pub cut_off: u64,
    /// Standstills of the worker.
    pub stalls: u64,
}

impl PeerBooks {
    /// Adds another peer's.
    pub fn merge(&mut self, other: &PeerBooks) {
        let mut other = *other;
        for ((_, to), (_, from)) in self.figures().into_iter().zip(other.figures()) {
            *to += *from;
        }
    }

    /// All figures with their names.
    pub fn figures(&mut self) -> [(&'static str, &mut u64); 26] {
        // Taken apart so that one added later cannot be forgotten.
        let PeerBooks {
            connects,
            refused,
            requests,
            request_bytes,
            responses,
            response_bytes,
            delivered,
            resets,
            eofs,
            garbage,
            late,
            closed_by_worker,
            stale,
            connect_errors,
            stream_errors,
            send_errors,
            stuck,
            early,
            redirects,
            cookies_given,
            cookies_returned,
            cookies_stale,
            cookies_missing,
            cookies_foreign,
            cut_off,
            stalls,
        } = self;
        [
            ("connects", connects),
            ("refused", refused),
            ("requests", requests),
            ("request_bytes", request_bytes),
            ("responses", responses),
            ("response_bytes", response_bytes),
            ("delivered", delivered),
            ("resets", resets),
            ("eofs", eofs),
            ("garbage", garbage),
            ("late", late),
            ("closed_by_worker", closed_by_worker),
            ("stale", stale),
            ("connect_errors", connect_errors),
            ("stream_errors", stream_errors),
            ("send_errors", send_errors),
            ("stuck", stuck),
            ("early", early),
            ("redirects", redirects),
            ("cookies_given", cookies_given),
            ("cookies_returned", cookies_returned),
            ("cookies_stale", cookies_stale),
            ("cookies_missing", cookies_missing),
            ("cookies_foreign", cookies_foreign),
            ("cut_off", cut_off),
            ("stalls", stalls),
        ]
    }
}
