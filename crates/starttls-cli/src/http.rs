//! Small pages for machines: metrics, probes, health.

use std::convert::Infallible;
use std::future::Future;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::time::{Duration, sleep};

pub(crate) type Page = Response<Full<Bytes>>;

/// Answers every request with the page that `answer` makes. It goes on for ever.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Page> + Send,
{
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // No files left, as a rule: others will be closed.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let page = answer(request);
                async move { Ok::<_, Infallible>(page.await) }
            });
            // What a client does wrong is its own matter.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

pub(crate) fn page(status: StatusCode, kind: &'static str, text: String) -> Page {
    let mut page = Response::new(Full::new(Bytes::from(text)));
    *page.status_mut() = status;
    page.headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    page
}

pub(crate) fn text(status: StatusCode, text: &str) -> Page {
    page(status, "text/plain; charset=utf-8", format!("{text}\n"))
}
