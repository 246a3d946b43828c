//! Worlds drawn from a seed: any load that squall can be asked for, and any mix of faults.

use squall::driver::sim::{Outage, Service, SimFaults, SimScript};
use squall::load::Arrivals;
use squall::rng::Rng;
use squall::units::{Nanos, Rate};

use super::plans::{self, Flags};
use super::{PlainWork, Work, World, ms, us};

/// How many requests a world is to come to at most, roughly: most come to fewer.
const REQUESTS: (u64, u64) = (5_000, 800_000);

struct Draw {
    rng: Rng,
    /// How many requests the world is to come to.
    requests: u64,
    /// Most users, or connections.
    users: u64,
}

impl World {
    /// The world of a seed: one of some ten thousand requests, or, where it may be `deep`, of up to a million.
    pub(crate) fn random(seed: u64, deep: bool) -> World {
        let mut draw = Draw { rng: Rng::new(seed), requests: 0, users: 30 };
        // Small worlds are many, large ones are deep.
        let small = draw.happens(0.7) || !deep;
        draw.requests = draw.magnitude(REQUESTS.0, if small { REQUESTS.0 * 4 } else { REQUESTS.1 });
        draw.users = if small { 30 } else { 400 };
        let users = draw.happens(0.5);
        let script = draw.script(seed);
        let work = match users {
            false => Work::Plain(draw.plain()),
            true if draw.happens(0.15) => Work::Flags(Box::new(draw.flags())),
            true => Work::Plan(draw.plan()),
        };
        let mut world = draw.world(work, script);
        if let Work::Plan(_) = world.work {
            draw.redirects_and_cookies(&mut world.script);
        }
        world
    }
}

impl Draw {
    fn happens(&mut self, probability: f64) -> bool {
        self.rng.unit() <= probability
    }

    /// Both included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.rng.below(high - low + 1)
    }

    /// Evenly by magnitude, both included.
    fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let (from, to) = ((low as f64).ln(), (high as f64).ln());
        ((from + (to - from) * self.rng.unit()).exp() as u64).clamp(low, high)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.rng.below(all.len() as u64) as usize]
    }

    /// The probability of a fault: mostly none, else up to `most`.
    fn fault(&mut self, chance: f64, most: f64) -> f64 {
        if self.happens(chance) { most * self.rng.unit().powi(3) } else { 0.0 }
    }

    fn world(&mut self, work: Work, script: SimScript) -> World {
        let mut world = World { script, ..World::new(work) };
        world.workers = self.of(&[1, 1, 2, 3]);
        if let Work::Plain(plain) = &mut world.work {
            plain.connections = plain.connections.max(world.workers);
        }
        if self.happens(0.3) {
            world.warmup = ms(self.between(1, 300));
        }
        world.connect_timeout = ms(self.between(20, 500));
        world.drain = ms(self.between(0, 1_000));
        world.interval = ms(self.of(&[1_000, 1_000, 1_000, 1_000, 1_000, 300, 100, 30]));
        if self.happens(0.2) {
            world.stop_after = Some(ms(self.between(0, 1_500)));
        }
        if self.happens(0.3) {
            world.snapshots = self.between(0, 2) as u32;
            world.quirks.emptied = None;
            if self.happens(0.5) {
                let from = world.script.start + ms(self.between(0, 1_000));
                world.quirks.emptied = Some((from, ms(self.between(50, 1_000))));
            }
        }
        if self.happens(0.2) {
            world.quirks.tick = Nanos(self.between(1, 500));
        }
        if self.happens(0.2) {
            world.quirks.sent_late = us(self.between(1, 500));
        }
        world
    }

    fn script(&mut self, seed: u64) -> SimScript {
        let mut script = SimScript { seed, faults: self.faults(), ..SimScript::default() };
        script.service = self.service();
        script.responses = self.responses();
        script.connect_delay = us(self.magnitude(1, 2_000));
        script.turn_cost = Nanos(self.between(200, 3_000));
        script.buffers = self.of(&[1, 8, 64, 256, 1_024]);
        script.buffer_len = self.of(&[64, 512, 4_096, 16_384]);
        if self.happens(0.1) {
            let from = ms(self.between(0, 1_500));
            script.outages.push(Outage { from, length: ms(self.between(0, 700)) });
        }
        if self.happens(0.02) {
            script.wait_fails_at = Some(script.start + ms(self.between(0, 2_000)));
        }
        if script.faults.stalls > 0.0 {
            script.stall.1 = ms(self.magnitude(10, 2_000));
        }
        if self.happens(0.1) {
            let silent = SimFaults { late_responses: 1.0, ..script.faults };
            let gone = SimFaults { connect_slow: 1.0, ..script.faults };
            let own = if self.happens(0.5) { silent } else { gone };
            // Every world has an endpoint 0; which of its endpoints that is, it does not know yet.
            script.endpoint_faults.push((0, own));
        }
        script
    }

    fn faults(&mut self) -> SimFaults {
        if self.happens(0.25) {
            return SimFaults::default();
        }
        SimFaults {
            connect_refused: self.fault(0.2, 0.5),
            connect_slow: self.fault(0.15, 0.2),
            connect_errors: self.fault(0.15, 0.5),
            short_sends: self.fault(0.3, 1.0),
            sends_stuck: self.fault(0.2, 0.05),
            early_responses: self.fault(0.2, 0.1),
            send_errors: self.fault(0.2, 0.05),
            send_error_first: self.happens(0.5),
            reset_before_response: self.fault(0.2, 0.05),
            reset_mid_response: self.fault(0.2, 0.05),
            eof_mid_response: self.fault(0.2, 0.05),
            garbage: self.fault(0.15, 0.02),
            late_responses: self.fault(0.15, 0.01),
            stream_errors: self.fault(0.15, 0.05),
            split_responses: self.fault(0.3, 0.5),
            buffer_starvation: self.fault(0.2, 0.2),
            stale_completions: self.fault(0.3, 1.0),
            cq_overflows: self.fault(0.2, 0.3),
            stalls: self.fault(0.15, 0.001),
            close_after_n: if self.happens(0.2) { Some(self.magnitude(1, 2_000)) } else { None },
        }
    }

    fn service(&mut self) -> Service {
        let mean = if self.users < 100 { self.magnitude(200, 10_000) } else { self.magnitude(5, 2_000) };
        let mean = us(mean);
        match self.between(0, 3) {
            0 => Service::Constant(mean),
            1 => Service::Uniform(Nanos(mean.0 / 2), Nanos(mean.0 * 2)),
            2 => Service::Exponential(mean),
            _ => Service::Stall { base: mean, every: ms(200), length: ms(self.between(1, 150)) },
        }
    }

    fn responses(&mut self) -> Vec<Vec<u8>> {
        let sized = |status: &str, body: usize| {
            let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {body}\r\n\r\n").into_bytes();
            bytes.resize(bytes.len() + body, b'x');
            bytes
        };
        let json = |body: &str| {
            let len = body.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
            )
            .into_bytes()
        };
        let chunked =
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec();
        let mut all = vec![json(r#"{"token":"t-1","user":{"id":17}}"#)];
        if self.happens(0.5) {
            all.push(sized("200 OK", 2));
        }
        if self.happens(0.3) {
            all.push(json(r#"{"user":{}}"#));
        }
        if self.happens(0.2) {
            all.push(chunked);
        }
        if self.happens(0.1) {
            all.push(sized("200 OK", self.rng.below(3_000) as usize));
        }
        if self.happens(0.03) {
            all.push(sized("200 OK", 40_000));
        }
        if self.happens(0.1) {
            all.push(sized("503 Busy", 10));
        }
        if self.happens(0.1) {
            all.push(b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec());
        }
        if self.happens(0.1) {
            all.push(
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            );
        }
        all
    }

    fn plain(&mut self) -> PlainWork {
        let connections = self.magnitude(1, self.users) as u32;
        let mut plain = PlainWork { connections, ..PlainWork::default() };
        plain.pipeline = self.of(&[1, 1, 1, 4, 16]);
        if self.happens(0.2) {
            plain.upload = self.of(&[10, 3_000, 5_000, 40_000]);
        }
        let duration = ms(self.between(50, 2_000));
        let requests = self.magnitude(1, self.requests);
        (plain.requests, plain.duration) = match self.between(0, 3) {
            0 => (Some(requests), None),
            1 => (Some(requests), Some(duration)),
            _ => (None, Some(duration)),
        };
        if self.happens(0.5) {
            // What a second is to bring: with a limit, in about a second.
            let most = plain.duration.map_or(requests.max(100), |d| self.requests * 1_000_000_000 / d.0);
            plain.rate = Some(Rate::per_sec(self.magnitude(10, most.max(10))));
            plain.arrivals = self.of(&[Arrivals::Uniform, Arrivals::Poisson]);
            plain.max_backlog = self.of(&[0, 10, 1_000, 100_000]);
        }
        if plain.rate.is_none() && u64::from(connections) * u64::from(plain.pipeline) > 200 {
            // A simulated peer that is as fast as one likes would answer hundreds of millions in a second.
            plain.requests = plain.requests.or(Some(requests));
        }
        plain.timeout = ms(self.magnitude(5, 2_000));
        plain.endpoints = self.between(1, 3) as u32;
        plain
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags { connections: self.magnitude(1, self.users) as u32, ..Flags::default() };
        let requests = self.magnitude(1, self.requests);
        if self.happens(0.6) {
            flags.rate = Some(Rate::per_sec(self.magnitude(requests.div_ceil(3), requests + 100)));
            flags.max_backlog = self.of(&[0, 10, 100_000]);
        }
        (flags.requests, flags.duration) = match self.happens(0.6) {
            true => (Some(requests), None),
            false => (None, Some(ms(self.between(50, 2_000)))),
        };
        flags.timeout = ms(self.magnitude(5, 2_000));
        if self.happens(0.2) {
            flags.upload = self.of(&[10, 5_000, 40_000]);
        }
        flags.redirects_max = self.between(0, 2) as u32;
        flags
    }

    /// A plan's text.
    fn plan(&mut self) -> String {
        let mut text = String::new();
        // An iteration begins with the cookies of the setup, whatever has replaced them since: which the peer would not expect.
        let (cookies, setup) = self.of(&[
            ("false", ""),
            ("\"iteration\"", ""),
            ("\"user\"", ""),
            ("\"user\"", "setup = [\"two\"]"),
            ("false", "setup = [\"three\", \"one\"]"),
        ]);
        let mut line = |part: String| {
            text.push_str(&part);
            text.push('\n');
        };
        line(format!("timeout = \"{}\"\ncookies = {cookies}", ms(self.magnitude(5, 2_000))));
        line(setup.into());
        line(format!("maxRedirects = {}", self.of(&[0, 1, 3, 10])));
        match self.between(0, 9) {
            0 => line("noConnectionReuse = true".into()),
            1 => line("noVUConnectionReuse = true".into()),
            2 => line(format!("requestsPerConnection = {}", self.magnitude(1, 100))),
            _ => {}
        }
        line("[origins]\na = \"http://a.test\"\nb = \"http://b.test:81\"".into());
        let data = self.happens(0.4);
        if data {
            line(self.data());
        }
        for step in ["one", "two", "three"] {
            line(self.step(step, data));
        }
        line(
            "[flows]\nshort = [\"one\"]\nlong = [\"one\", \"two\", \"three\"]\nback = [\"two\", \"one\"]"
                .into(),
        );
        // Each iteration is some two requests.
        let scenarios = self.of(&[1, 1, 1, 2, 3]);
        for number in 0..scenarios {
            line(self.scenario(number, self.requests / 2 / scenarios));
        }
        text
    }

    fn data(&mut self) -> String {
        let order = self.of(&["sequential", "random", "unique"]);
        let ends = self.happens(0.5);
        let count = match order {
            // A user without a row is refused.
            "unique" => 1_000,
            _ => self.of(&[3, 50, 1_000, 20_000]),
        };
        let file = plans::rows(count);
        let at_end = if ends { "stop" } else { "wrap" };
        format!("[data.rows]\nfile = \"{file}\"\norder = \"{order}\"\natEnd = \"{at_end}\"")
    }

    fn step(&mut self, name: &str, data: bool) -> String {
        let mut text = format!("[steps.{name}]\norigin = \"{}\"\n", self.of(&["a", "a", "b"]));
        let mut path = format!("/{name}/");
        if data && self.happens(0.5) {
            path.push_str("{{ data.rows.id }}?name={{ data.rows.name | url }}");
        } else if self.happens(0.3) {
            path.push_str("{{ random_int(1, 1000) }}/{{ iteration }}");
        }
        text.push_str(&format!(
            "url = \"{path}\"\nchecks = [\"status==200\"{}]\n",
            self.of(&["", ", \"size<100\""])
        ));
        if self.happens(0.7) {
            text.push_str("headers = { X-User = \"{{ vu }}\" }\n");
        }
        if self.happens(0.15) {
            let body =
                self.of(&["{{ random_string(20) }}", "constant", "{{ vu }}", "{{ random_string(5000) }}"]);
            text.push_str(&format!("body = \"{body}\"\n"));
        }
        if self.happens(0.2) {
            text.push_str(&format!("think = \"0ms..{}\"\n", us(self.magnitude(1, 5_000))));
        }
        if self.happens(0.3) {
            let default = self.of(&["", ", default = \"none\""]);
            text.push_str(&format!("extract = {{ token = {{ json = \"$.token\"{default} }} }}\n"));
        }
        text
    }

    fn scenario(&mut self, number: u64, iterations: u64) -> String {
        let users = self.magnitude(1, self.users);
        let mut text = format!("[scenarios.s{number}]\nflows = {{ short = 3, long = 1, back = 1 }}\n");
        if self.happens(0.3) {
            text.push_str(&format!("startTime = \"{}\"\n", ms(self.between(0, 500))));
        }
        text.push_str(&format!("gracefulStop = \"{}\"\n", ms(self.between(0, 500))));
        if self.happens(0.2) {
            text.push_str(&format!("think = \"{}\"\n", us(self.magnitude(1, 5_000))));
        }
        let executor = self.between(0, 5);
        if executor < 4 && self.happens(0.3) {
            text.push_str(&format!("pacing = \"{}\"\n", us(self.magnitude(1, 50_000))));
        }
        text.push_str(&match executor {
            0 => format!("executor = \"constant-vus\"\nvus = {users}\nduration = \"{}\"\n", ms(self.between(1_000, 2_000))),
            1 => self.ramping_users(users),
            2 => format!(
                "executor = \"shared-iterations\"\nvus = {}\niterations = {iterations}\nmaxDuration = \"{}\"\n",
                users.min(iterations),
                ms(self.between(1_000, 2_000))
            ),
            3 => format!(
                "executor = \"per-vu-iterations\"\nvus = {users}\niterations = {}\nmaxDuration = \"{}\"\n",
                self.magnitude(1, (iterations / users).max(1)),
                ms(self.between(1_000, 2_000))
            ),
            4 => self.constant_rate(users, iterations),
            _ => self.ramping_rate(users, iterations),
        });
        text
    }

    fn ramping_users(&mut self, users: u64) -> String {
        let stages: Vec<String> = (0..self.between(1, 4))
            .map(|_| {
                let (span, to) = (ms(self.between(0, 600)), self.between(0, users));
                format!("{{ duration = \"{span}\", target = {to} }}")
            })
            .collect();
        let last = format!("{{ duration = \"500ms\", target = {users} }}");
        format!(
            "executor = \"ramping-vus\"\nstartVUs = {}\ngracefulRampDown = \"{}\"\nstages = [{}, {last}]\n",
            self.between(0, users),
            ms(self.between(0, 300)),
            stages.join(", ")
        )
    }

    fn constant_rate(&mut self, users: u64, iterations: u64) -> String {
        format!(
            "executor = \"constant-arrival-rate\"\nrate = {}\nduration = \"{}\"\npreAllocatedVUs = {users}\nmaxVUs = {}\n\
             arrivals = \"{}\"\nmaxBacklog = {}\n",
            self.magnitude(10, iterations),
            ms(self.between(1_000, 2_000)),
            users + self.between(0, users),
            self.of(&["uniform", "poisson"]),
            self.of(&[0, 0, 10, 100_000])
        )
    }

    fn ramping_rate(&mut self, users: u64, iterations: u64) -> String {
        let stages: Vec<String> = (0..self.between(1, 4))
            .map(|_| {
                let (span, to) = (ms(self.between(1, 600)), self.between(0, iterations));
                format!("{{ duration = \"{span}\", target = {to} }}")
            })
            .collect();
        format!(
            "executor = \"ramping-arrival-rate\"\nstartRate = {}\npreAllocatedVUs = {users}\nmaxVUs = {}\nstages = [{}]\n\
             maxBacklog = {}\n",
            self.between(0, iterations),
            users + self.between(0, users),
            stages.join(", "),
            self.of(&[0, 0, 10, 100_000])
        )
    }

    /// What the peer redirects to, and how often it gives cookies.
    fn redirects_and_cookies(&mut self, script: &mut SimScript) {
        let redirects = self.happens(0.4);
        if redirects {
            let all = [
                "/again",
                "http://b.test:81/other?x",
                "http://a.test/",
                "../up",
                "http://elsewhere.test/",
                "",
            ];
            script.redirects = all.iter().filter(|_| self.happens(0.5)).map(|to| (*to).to_owned()).collect();
            script.redirect_share = self.fault(1.0, 0.5);
        }
        if self.happens(0.5) {
            script.cookie_share = self.fault(1.0, 1.0);
        }
    }
}
