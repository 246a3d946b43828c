//! Ways through a transport: TLS beside plain.

use squall::driver::{Alpn, Completion, DriverConfig, Event, Wait};
use squall::transport::Route;
use squall::units::Nanos;

use super::Outcome;
use super::common::pki::{Pki, serve_tls};
use super::common::rig::*;

pub(super) fn the_protocol_agreed_on_is_told(build: Routed) -> Outcome {
    let pki = Pki::new("authority");
    let tls_server = |protocols: &[&str]| {
        let mut server = pki.local().server();
        server.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        serve_tls(server, |_| std::thread::park())
    };
    let plain = serve(|_| std::thread::park());
    let endpoints = [plain, tls_server(&[]), tls_server(&["h2", "http/1.1"])].map(endpoint);
    let tls = tls_route(&connector(&pki, false));
    let routes = vec![Route::default(), tls.clone(), tls];
    let mut driver = build(DriverConfig { endpoints: endpoints.into(), ..config(3) }, routes)?;
    for (slot, expected) in (0..).zip([Alpn::None, Alpn::None, Alpn::Http11]) {
        let limit = driver.now() + Nanos::from_secs(20);
        driver.connect(id(slot, 0), slot);
        let agreed = 'connected: loop {
            assert!(driver.now() < limit, "no connection to endpoint {slot}");
            driver.wait(Wait::Until { until: limit, want: 1 }).unwrap();
            while let Some(Completion { event, .. }) = driver.next() {
                match event {
                    Event::Connected(agreed) => break 'connected agreed,
                    Event::Reached => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        assert_eq!(agreed, expected, "of endpoint {slot}");
    }
    Ok(())
}
