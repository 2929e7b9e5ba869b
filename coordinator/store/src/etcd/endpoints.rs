//! One client per member, one of them pinned.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, TlsOptions, Txn, TxnResponse};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tonic::transport::{Certificate, Identity};

use super::error::EtcdError;

/// How long a member that failed is left alone before it is asked how it is.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Pause after every member has failed, so that an outage is not a busy loop.
const PAUSE: Duration = Duration::from_millis(50);
/// An attempt gets twice the time of the one before after every round, up to this.
const ATTEMPT_MAX: Duration = Duration::from_secs(4);
/// HTTP/2 pings on a connection that carries something, so that one to a host that vanished is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// How etcd is reached.
#[derive(Clone)]
pub struct EtcdOptions {
    /// URLs of the members, as `http://10.0.0.1:2379`.
    pub endpoints: Vec<String>,
    /// Name and password, where etcd has authentication on.
    pub user: Option<(String, String)>,
    /// For `https` endpoints.
    pub tls: Option<Tls>,
    /// How long a member has for one request before another one is asked.
    pub attempt: Duration,
    /// How long a request may take over all attempts.
    pub patience: Duration,
}

/// PEM texts.
#[derive(Clone, Default)]
pub struct Tls {
    /// Authorities that the members' certificates must come from.
    pub ca: Vec<u8>,
    /// Certificate and key by which this client shows who it is.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// A store of several members. Requests may reach it more than once, so they must be such that this does no harm.
pub struct Etcd {
    options: EtcdOptions,
    members: Vec<Member>,
    pinned: AtomicUsize,
}

struct Member {
    url: String,
    /// False from a failure until a probe is answered.
    answers: AtomicBool,
    client: Mutex<Option<Client>>,
}

impl EtcdOptions {
    /// The members at these URLs, with the usual times.
    pub fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            user: None,
            tls: None,
            attempt: Duration::from_millis(500),
            patience: Duration::from_secs(5),
        }
    }

    fn connection(&self) -> ConnectOptions {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(self.attempt)
            .with_keep_alive(KEEP_ALIVE, KEEP_ALIVE)
            .with_auto_token_refresh(true);
        if let Some((name, password)) = &self.user {
            options = options.with_user(name, password);
        }
        if let Some(tls) = &self.tls {
            let mut settings = TlsOptions::new().ca_certificate(Certificate::from_pem(&tls.ca));
            if let Some((certificate, key)) = &tls.identity {
                settings = settings.identity(Identity::from_pem(certificate, key));
            }
            options = options.with_tls(settings);
        }
        options
    }
}

impl Etcd {
    /// Knows the members; connects to none of them yet.
    ///
    /// # Panics
    ///
    /// Without endpoints: the configuration is checked before.
    pub fn new(options: EtcdOptions) -> Self {
        assert!(
            !options.endpoints.is_empty(),
            "etcd has at least one member"
        );
        let members = options.endpoints.iter().map(|url| Member {
            url: url.clone(),
            answers: AtomicBool::new(true),
            client: Mutex::new(None),
        });
        Self {
            members: members.collect(),
            options,
            pinned: AtomicUsize::new(0),
        }
    }

    /// Makes a request of the pinned member, and of others when it does not answer, until one does or the patience is
    /// over. `request` may be called several times, and more than one of these may take effect.
    pub async fn call<T, F>(&self, request: impl Fn(Client) -> F) -> Result<T, EtcdError>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let said = Mutex::new(String::new());
        let attempts = async {
            let (mut time, mut is_unknown) = (self.options.attempt, false);
            for failures in 1.. {
                let at = self.pinned.load(Ordering::Acquire);
                let error = match self.attempt(at, time, &request).await {
                    Ok(answer) => return Ok(answer),
                    // It is no refusal of what an attempt before may have done.
                    Err(error) if is_unknown && !error.may_answer_elsewhere() => {
                        return Err(EtcdError::Unknown(format!("{error}, after no answer")));
                    }
                    Err(error) if !error.may_answer_elsewhere() => return Err(error),
                    Err(error) => error,
                };
                is_unknown = true;
                self.leave(at, &error);
                *said.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
                if failures % self.members.len() == 0 {
                    sleep(PAUSE).await;
                    time = (time * 2).min(ATTEMPT_MAX);
                }
            }
            unreachable!("attempts go on until the patience is over")
        };
        let outcome = timeout(self.options.patience, attempts).await;
        outcome.unwrap_or_else(|_elapsed| {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            Err(EtcdError::Unknown(format!(
                "no member of {} within {:?}; the last one said: {said}",
                self.members.len(),
                self.options.patience
            )))
        })
    }

    /// How many members there are, as far as the configuration says.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Makes a request of one member, once: for what each member is asked for itself. Nothing is said by it about which one
    /// serves the others.
    pub async fn call_at<T, F>(
        &self,
        member: usize,
        time: Duration,
        request: impl Fn(Client) -> F,
    ) -> Result<T, EtcdError>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        self.attempt(member, time, &request).await
    }

    /// Makes a transaction. It may be made more than once: its conditions must see to that.
    pub async fn txn(&self, txn: &Txn) -> Result<TxnResponse, EtcdError> {
        self.call(|mut client| {
            let txn = txn.clone();
            async move { client.txn(txn).await }
        })
        .await
    }

    /// Asks those that failed whether they answer again. Runs until it is dropped.
    pub async fn probe(&self) {
        let mut ticks = interval(PROBE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for (at, member) in self.members.iter().enumerate() {
                if member.answers.load(Ordering::Relaxed) {
                    continue;
                }
                let status = |mut client: Client| async move { client.status().await };
                let answer = self.attempt(at, self.options.attempt, &status).await;
                // One that is alone does not see the leader, and would refuse everything.
                if answer.is_ok_and(|status| status.leader() != 0) {
                    tracing::info!(member = %member.url, "etcd member answers again");
                    member.answers.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// How many members are not known to have failed.
    pub fn answering(&self) -> usize {
        let answers = |member: &&Member| member.answers.load(Ordering::Relaxed);
        self.members.iter().filter(answers).count()
    }

    /// URL of the member that is asked now.
    pub fn pinned(&self) -> &str {
        &self.members[self.pinned.load(Ordering::Relaxed)].url
    }

    async fn attempt<T, F>(
        &self,
        at: usize,
        time: Duration,
        request: &impl Fn(Client) -> F,
    ) -> Result<T, EtcdError>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let member = &self.members[at];
        let attempt = async {
            let client = self.client(member).await?;
            request(client).await.map_err(EtcdError::from)
        };
        timeout(time, attempt).await.unwrap_or_else(|_elapsed| {
            let url = &member.url;
            Err(EtcdError::Unknown(format!("{url}: no answer in {time:?}")))
        })
    }

    async fn client(&self, member: &Member) -> Result<Client, EtcdError> {
        let known = || member.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*known() {
            return Ok(client.clone());
        }
        let client = Client::connect([&member.url], Some(self.options.connection())).await?;
        // Two may connect at once; the second one's connection stays.
        *known() = Some(client.clone());
        Ok(client)
    }

    /// Another member is asked from now on, unless somebody has seen to that already.
    fn leave(&self, at: usize, error: &EtcdError) {
        let member = &self.members[at];
        if member.answers.swap(false, Ordering::Relaxed) {
            tracing::warn!(member = %member.url, %error, "etcd member failed");
        }
        *member.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let next = self.next_after(at);
        let _others_did =
            self.pinned
                .compare_exchange(at, next, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The next member that answers, in the order of the configuration; the next one at all when none is known to.
    fn next_after(&self, at: usize) -> usize {
        let count = self.members.len();
        let others = (1..count).map(|step| (at + step) % count);
        let mut answering =
            others.filter(|other| self.members[*other].answers.load(Ordering::Relaxed));
        answering.next().unwrap_or((at + 1) % count)
    }
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etcd")
            .field("options", &self.options)
            .field("pinned", &self.pinned())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdOptions")
            .field("endpoints", &self.endpoints)
            .field("user", &self.user.as_ref().map(|(name, _secret)| name))
            .field("tls", &self.tls.is_some())
            .field("attempt", &self.attempt)
            .field("patience", &self.patience)
            .finish()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("identity", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}
