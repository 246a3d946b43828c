//! The same closed loop on tokio-uring: why the engine does not stand on it.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use squall::clock;
use squall::units::Nanos;
use tokio_uring::net::TcpStream;

use crate::{Outcome, Response};

/// Sends over `connections` for `duration`, one task per connection. With `coop` the ring is set up with
/// COOP_TASKRUN, tokio-uring's best setting for this.
pub(crate) fn run(
    addr: SocketAddr,
    request: Vec<u8>,
    response: Response,
    connections: u32,
    duration: Nanos,
    coop: bool,
) -> io::Result<Outcome> {
    let mut builder = tokio_uring::builder();
    builder.entries(4096);
    if coop {
        builder.uring_builder(tokio_uring::uring_builder().setup_coop_taskrun().setup_taskrun_flag());
    }
    builder.start(async move {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let (start, cpu) = (clock::now(), clock::thread_cpu());
        let end = start + duration;
        let request = Rc::new(request);
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|stream| tokio_uring::spawn(exchange(stream, Rc::clone(&request), response, end)))
            .collect();
        let mut requests = 0;
        for task in tasks {
            requests += task.await.map_err(io::Error::other)??;
        }
        Ok(Outcome {
            requests,
            span: clock::now() - start,
            cpu: clock::thread_cpu() - cpu,
            enters: 0,
            response_time: Vec::new(),
            start_lag: Vec::new(),
            unanswered: 0,
        })
    })
}

async fn exchange(
    stream: TcpStream,
    request: Rc<Vec<u8>>,
    response: Response,
    end: Nanos,
) -> io::Result<u64> {
    let (mut outgoing, mut incoming) = (request.to_vec(), vec![0; 4096]);
    let mut responses = 0;
    while clock::now() < end {
        let (result, buffer) = stream.write_all(outgoing).await;
        outgoing = buffer;
        result?;
        let mut missing = response.bytes as usize;
        while missing > 0 {
            let (result, buffer) = stream.read(incoming).await;
            incoming = buffer;
            missing = missing.saturating_sub(match result? {
                0 => return Ok(responses),
                n => n,
            });
        }
        responses += 1;
    }
    Ok(responses)
}
