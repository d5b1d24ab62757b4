//! What any bridge is measured beside, in a process of its own: a bare handler, and the floor. The floor does what no
//! bridge can do without: it writes each webhook and syncs before it answers, and makes one call for each.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, web};
use refairn_bridge::tasks::Tasks;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::sales::{SALES_MAX, place};
use super::wire::Wire;

/// Calls under way at once: as many as a bridge makes.
const CALLS_MAX: usize = 16;
/// Webhooks that wait to be written.
const WAITING_MAX: usize = 4096;
/// What is answered: as long as the bridge's answer.
const ANSWER: &str = r#"{"event":"evt_1","duplicate":false}"#;

/// Which of them, and where.
#[derive(clap::Args, Clone)]
pub struct Reference {
    #[arg(long, hide = true)]
    reference: Option<SocketAddr>,
    /// Where the floor writes; without it, the bare handler
    #[arg(long, hide = true, requires = "calls")]
    file: Option<PathBuf>,
    /// Where the floor's calls go
    #[arg(long, hide = true)]
    calls: Option<SocketAddr>,
}

/// The arguments that make this program one.
pub fn arguments(addr: SocketAddr, floor: Option<(&Path, SocketAddr)>) -> Vec<String> {
    let mut all = vec!["--reference".to_owned(), addr.to_string()];
    if let Some((file, calls)) = floor {
        all.extend(["--file".to_owned(), file.display().to_string(), "--calls".to_owned(), calls.to_string()]);
    }
    all
}

impl Reference {
    /// Whether this process is to be one.
    pub const fn is_wanted(&self) -> bool {
        self.reference.is_some()
    }

    /// Serves until the process is ended.
    pub fn run(self) -> anyhow::Result<()> {
        let Some(addr) = self.reference else { return Ok(()) };
        actix_web::rt::System::new().block_on(async move {
            let floor = self.file.zip(self.calls).map(|(file, calls)| Floor::start(&file, calls)).transpose()?;
            let floor = Data::new(floor);
            let app = move || App::new().app_data(floor.clone()).default_service(web::to(answer));
            HttpServer::new(app).bind(addr)?.run().await?;
            Ok(())
        })
    }
}

async fn answer(floor: Data<Option<Floor>>, body: Bytes) -> HttpResponse {
    if let Some(floor) = floor.as_ref()
        && floor.take(body).await.is_none()
    {
        return HttpResponse::ServiceUnavailable().finish();
    }
    HttpResponse::Ok().content_type("application/json").body(ANSWER)
}

type Written = (Bytes, oneshot::Sender<()>);

struct Floor {
    writer: SyncSender<Written>,
    calls: mpsc::Sender<usize>,
    _tasks: Tasks,
}

impl Floor {
    fn start(file: &Path, to: SocketAddr) -> anyhow::Result<Self> {
        let (writer, waiting) = sync_channel(WAITING_MAX);
        let file = File::create(file)?;
        std::thread::spawn(move || write(&file, &waiting));
        let (calls, due) = mpsc::channel(SALES_MAX);
        let (tasks, due) = (Tasks::new(), Arc::new(Mutex::new(due)));
        for _ in 0..CALLS_MAX {
            let due = Arc::clone(&due);
            tasks.spawn(async move { call(to, &due).await.unwrap_or_default() });
        }
        Ok(Self { writer, calls, _tasks: tasks })
    }

    /// Returns when the body is on disk, and its call is on its list; nothing when that failed.
    async fn take(&self, body: Bytes) -> Option<()> {
        let place = place(&body)?;
        let (written, is_written) = oneshot::channel();
        self.writer.try_send((body, written)).ok()?;
        is_written.await.ok()?;
        self.calls.try_send(place).ok()
    }
}

/// Writes what waits, syncs once for all of it, and answers; ends when nothing can be written.
fn write(mut file: &File, waiting: &Receiver<Written>) {
    while let Ok(first) = waiting.recv() {
        let group: Vec<Written> = std::iter::once(first).chain(waiting.try_iter()).collect();
        if group.iter().any(|(body, _)| file.write_all(body).is_err()) || file.sync_data().is_err() {
            return;
        }
        // Who asked may have gone.
        group.into_iter().for_each(|(_, written)| written.send(()).unwrap_or_default());
    }
}

async fn call(to: SocketAddr, due: &Mutex<mpsc::Receiver<usize>>) -> std::io::Result<()> {
    let mut wire = Wire::connect(to).await?;
    loop {
        let next = due.lock().await.recv().await;
        let Some(place) = next else { return Ok(()) };
        wire.ask(super::sales::call(place).as_bytes()).await?;
    }
}
