//! An object store that fails at a chosen call.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;

use super::*;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Denied,
    Down,
    /// It takes effect, and says that it did not.
    AnswerLost,
    /// It never answers.
    Hangs,
    /// It takes effect and never answers.
    HangsAfter,
}

/// Fails at call number `at`, and at later ones if the fault is lasting.
#[derive(Debug)]
pub(super) struct Faulty {
    inner: Arc<InMemory>,
    fault: Mutex<Option<(usize, Fault)>>,
    is_lasting: bool,
    calls: AtomicUsize,
    pub(super) reached: Arc<Notify>,
}

impl Faulty {
    pub(super) fn at(inner: Arc<InMemory>, call: usize, fault: Fault) -> Arc<Self> {
        Self::new(inner, call, fault, false)
    }

    pub(super) fn from(inner: Arc<InMemory>, call: usize, fault: Fault) -> Arc<Self> {
        Self::new(inner, call, fault, true)
    }

    fn new(inner: Arc<InMemory>, call: usize, fault: Fault, is_lasting: bool) -> Arc<Self> {
        Arc::new(Self {
            inner,
            fault: Mutex::new(Some((call, fault))),
            is_lasting,
            calls: AtomicUsize::new(0),
            reached: Arc::new(Notify::new()),
        })
    }

    /// Whether the fault happened.
    pub(super) fn has_failed(&self) -> bool {
        let fault = self.fault.lock().unwrap();
        let calls = self.calls.load(Ordering::Relaxed);
        fault.is_some_and(|(at, _)| calls > at)
    }

    fn next(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let (at, fault) = (*self.fault.lock().unwrap())?;
        let is_hit = call == at || self.is_lasting && call > at;
        is_hit.then_some(fault)
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = self.next();
        match fault {
            None => call.await,
            Some(Fault::Denied) => Err(Error::PermissionDenied {
                path: "there".to_owned(),
                source: "403 Forbidden".into(),
            }),
            Some(Fault::Down) => Err(lost()),
            Some(Fault::AnswerLost) => {
                call.await?;
                Err(lost())
            }
            Some(Fault::Hangs) => {
                self.reached.notify_one();
                std::future::pending().await
            }
            Some(Fault::HangsAfter) => {
                call.await?;
                self.reached.notify_one();
                std::future::pending().await
            }
        }
    }
}

fn lost() -> Error {
    Error::Generic {
        store: "faulty",
        source: "connection reset".into(),
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let put = self.inner.put_opts(location, payload, options);
        self.call(put).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.next() {
            None => self.inner.delete_stream(locations),
            Some(Fault::Hangs | Fault::HangsAfter) => {
                self.reached.notify_one();
                futures::stream::pending().boxed()
            }
            Some(Fault::Denied | Fault::Down | Fault::AnswerLost) => {
                futures::stream::once(async { Err(lost()) }).boxed()
            }
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.next() {
            None => self.inner.list(prefix),
            Some(Fault::Hangs | Fault::HangsAfter) => {
                self.reached.notify_one();
                futures::stream::pending().boxed()
            }
            Some(Fault::Denied | Fault::Down | Fault::AnswerLost) => {
                futures::stream::once(async { Err(lost()) }).boxed()
            }
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
