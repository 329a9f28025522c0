//! What the daemon answers over HTTP: its health, its figures, its queue; and, to who has the token, orders.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::{
    beat::Standing,
    metrics::Metrics,
    schedule::{RequestId, Trigger},
};

/// The longest pause; a pause that nobody ends must not silence a profile for ever.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Larger bodies are refused unread.
const LARGEST_BODY: usize = 64 << 10;

/// An order to the loop, with the way back for its answer.
#[derive(Debug)]
pub enum Order {
    /// How things stand.
    Standing(oneshot::Sender<Result<Standing, String>>),
    /// Run a profile.
    Run {
        /// Which.
        profile: String,
        /// Who wants it.
        by: String,
        /// Its number, or why not.
        answer: oneshot::Sender<Result<RequestId, String>>,
    },
    /// Take a request out of the queue, or end its run.
    Cancel {
        /// Which.
        id: RequestId,
        /// Why.
        reason: String,
        /// Whether there was something to end.
        answer: oneshot::Sender<Result<bool, String>>,
    },
    /// Pause a profile, or `*`.
    Pause {
        /// What.
        what: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// How long.
        duration: SignedDuration,
        /// When it is recorded.
        answer: oneshot::Sender<Result<(), String>>,
    },
    /// End a pause.
    Resume {
        /// What.
        what: String,
        /// Whether there was one.
        answer: oneshot::Sender<Result<bool, String>>,
    },
    /// Start nothing new, and end when nothing runs.
    Drain(oneshot::Sender<Result<(), String>>),
}

/// What the handlers share.
#[derive(Debug)]
pub struct Face {
    /// To the loop.
    pub orders: mpsc::Sender<Order>,
    /// The figures.
    pub metrics: Metrics,
    /// SHA-256 of the token; without one nobody can order anything.
    pub token: Option<[u8; 32]>,
    /// The last look, in seconds since 1970, and why the daemon is not ready, if it is not.
    pub health: std::sync::Mutex<Health>,
}

/// How the daemon is.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// When it last looked at everything.
    pub last_look: Option<Timestamp>,
    /// What is wrong.
    pub trouble: Option<String>,
}

/// A request as the queue shows it.
#[derive(Debug, Serialize)]
pub struct Shown {
    id: i64,
    profile: String,
    state: &'static str,
    trigger: Trigger,
    asked: Timestamp,
    run: Option<String>,
    started: Option<Timestamp>,
    /// Why it waits.
    waits: Option<String>,
    /// When it will start and end, if nothing else comes.
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    /// The end if runs take as long as one in ten does.
    end_slow: Option<Timestamp>,
}

impl Shown {
    /// As a row of a table: number, profile, state, when it was asked for, why it waits or since when it runs, and when
    /// it will have ended.
    #[must_use]
    pub fn row(&self) -> Vec<String> {
        let time = |at: Timestamp| at.strftime("%F %H:%MZ").to_string();
        let why = match (&self.waits, self.started) {
            (Some(why), _) => why.clone(),
            (None, Some(started)) => format!("since {}", time(started)),
            (None, None) => "starts now".to_owned(),
        };
        let ends = match (self.end, self.end_slow) {
            (Some(end), Some(slow)) => format!("{} to {}", time(end), time(slow)),
            _ => String::new(),
        };
        vec![
            self.id.to_string(),
            self.profile.clone(),
            self.state.to_owned(),
            time(self.asked),
            why,
            ends,
        ]
    }
}

/// The queue.
#[derive(Debug, Serialize)]
pub struct Shows {
    /// What waits and runs, oldest first.
    pub requests: Vec<Shown>,
    /// What is paused.
    pub pauses: Vec<ShownPause>,
}

/// A pause as the queue shows it.
#[derive(Debug, Serialize)]
pub struct ShownPause {
    what: String,
    by: String,
    reason: String,
    until: Timestamp,
}

impl ShownPause {
    /// What, until when, why and by whom.
    #[must_use]
    pub fn words(&self) -> String {
        let until = self.until.strftime("%F %H:%MZ");
        format!(
            "{} until {until}: {} (by {})",
            self.what, self.reason, self.by
        )
    }
}

/// The queue as JSON has it.
#[must_use]
pub fn shown(standing: &Standing) -> Shows {
    let requests = standing
        .live
        .iter()
        .map(|row| {
            let id = row.request.id;
            let placement = standing.placements.iter().find(|one| one.id == id);
            let forecast = standing.forecasts.iter().find(|one| one.id == id);
            Shown {
                id: id.0,
                profile: row.request.profile.clone(),
                state: row.state.name(),
                trigger: row.request.trigger.clone(),
                asked: row.request.asked,
                run: row.run.map(|run| run.to_string()),
                started: row.started,
                waits: placement
                    .and_then(|one| one.waits.as_ref())
                    .map(ToString::to_string),
                start: forecast.map(|one| one.start),
                end: forecast.map(|one| one.end),
                end_slow: forecast.map(|one| one.end_slow),
            }
        })
        .collect();
    let pauses = standing
        .pauses
        .iter()
        .map(|pause| ShownPause {
            what: pause.what.clone(),
            by: pause.author.clone(),
            reason: pause.reason.clone(),
            until: pause.until,
        })
        .collect();
    Shows { requests, pauses }
}

/// The routes.
pub fn routes(face: Arc<Face>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/queue", get(queue))
        .route("/api/v1/runs", post(run))
        .route("/api/v1/requests/{id}/cancel", post(cancel))
        .route("/api/v1/pause", post(pause))
        .route("/api/v1/resume", post(resume))
        .route("/api/v1/drain", post(drain))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(face)
}

/// SHA-256 of a token. Comparing digests tells nothing of how much of a guess was right.
#[must_use]
pub fn token_digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.trim().as_bytes()).into()
}

/// An answer that is no result, with what to do instead.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: String,
    hint: &'static str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({"error": self.error, "hint": self.hint});
        (self.status, Json(body)).into_response()
    }
}

fn refusal(status: StatusCode, error: &str, hint: &'static str) -> Refusal {
    Refusal {
        status,
        error: error.to_owned(),
        hint,
    }
}

impl Face {
    fn allows(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(token_digest);
        match (self.token, given) {
            (Some(token), Some(given)) if token == given => Ok(()),
            (None, _) => Err(refusal(
                StatusCode::FORBIDDEN,
                "this daemon takes no orders over HTTP",
                "start it with --token-file, or use `bellwether queue` on its host",
            )),
            _ => Err(refusal(
                StatusCode::UNAUTHORIZED,
                "the token is missing or wrong",
                "send `Authorization: Bearer TOKEN` with the token of --token-file",
            )),
        }
    }

    async fn order<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Order,
    ) -> Result<T, Refusal> {
        let gone = || {
            refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "the daemon is ending",
                "try again in a moment",
            )
        };
        let (answer, answered) = oneshot::channel();
        self.orders.send(make(answer)).await.map_err(|_| gone())?;
        match answered.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(refusal(StatusCode::CONFLICT, &error, "see /api/v1/queue")),
            Err(_) => Err(gone()),
        }
    }
}

async fn health(Shared(_): Shared<Arc<Face>>) -> &'static str {
    "alive\n"
}

async fn ready(Shared(face): Shared<Arc<Face>>) -> Response {
    let health = face
        .health
        .lock()
        .map(|health| health.clone())
        .unwrap_or_default();
    match (health.trouble, health.last_look) {
        (Some(trouble), _) => (StatusCode::SERVICE_UNAVAILABLE, trouble + "\n").into_response(),
        (None, None) => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        (None, Some(at)) => format!("ready; last look {at}\n").into_response(),
    }
}

async fn metrics(Shared(face): Shared<Arc<Face>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], face.metrics.text()).into_response()
}

async fn queue(Shared(face): Shared<Arc<Face>>) -> Result<Json<Shows>, Refusal> {
    let standing = face.order(Order::Standing).await?;
    Ok(Json(shown(&standing)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunBody {
    profile: String,
    #[serde(default = "somebody")]
    by: String,
}

fn somebody() -> String {
    "the API".to_owned()
}

async fn run(
    Shared(face): Shared<Arc<Face>>,
    headers: HeaderMap,
    Json(body): Json<RunBody>,
) -> Result<Response, Refusal> {
    face.allows(&headers)?;
    let id = face
        .order(|answer| Order::Run {
            profile: body.profile,
            by: body.by,
            answer,
        })
        .await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(serde_json::json!({"request": id.0})),
    )
        .into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelBody {
    reason: String,
}

async fn cancel(
    Shared(face): Shared<Arc<Face>>,
    Path(id): Path<i64>,
    headers: HeaderMap,
    Json(body): Json<CancelBody>,
) -> Result<Response, Refusal> {
    face.allows(&headers)?;
    let done = face
        .order(|answer| Order::Cancel {
            id: RequestId(id),
            reason: body.reason,
            answer,
        })
        .await?;
    if done {
        Ok(Json(serde_json::json!({"request": id})).into_response())
    } else {
        Err(refusal(
            StatusCode::NOT_FOUND,
            &format!("request {id} neither waits nor runs"),
            "see /api/v1/queue",
        ))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseBody {
    what: String,
    by: String,
    reason: String,
    hours: u32,
}

async fn pause(
    Shared(face): Shared<Arc<Face>>,
    headers: HeaderMap,
    Json(body): Json<PauseBody>,
) -> Result<Response, Refusal> {
    face.allows(&headers)?;
    let duration = SignedDuration::from_hours(body.hours.into()).min(LONGEST_PAUSE);
    face.order(|answer| Order::Pause {
        what: body.what,
        by: body.by,
        reason: body.reason,
        duration,
        answer,
    })
    .await?;
    Ok(Json(serde_json::json!({"hours": duration.as_hours()})).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResumeBody {
    what: String,
}

async fn resume(
    Shared(face): Shared<Arc<Face>>,
    headers: HeaderMap,
    Json(body): Json<ResumeBody>,
) -> Result<Response, Refusal> {
    face.allows(&headers)?;
    let was = face
        .order(|answer| Order::Resume {
            what: body.what,
            answer,
        })
        .await?;
    Ok(Json(serde_json::json!({"was-paused": was})).into_response())
}

async fn drain(Shared(face): Shared<Arc<Face>>, headers: HeaderMap) -> Result<Response, Refusal> {
    face.allows(&headers)?;
    face.order(Order::Drain).await?;
    Ok(Json(serde_json::json!({"draining": true})).into_response())
}
