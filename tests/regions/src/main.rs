//! A region of the demo: a small application with its own database, replicated asynchronously to its peers, that keeps the
//! whole contract between Homing and an origin. It is the example to copy; `README.md` beside it says what each part shows.

mod app;
mod contract;
mod control;
mod multi_writer;
#[cfg(test)]
mod repeats;
mod replicate;
mod store;
mod tools;

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc};

use axum::Router;
use clap::Parser;
use homing_origin::{Homing, Settings, Unit};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;

use control::{Faults, Mode};
use store::Store;

/// One region of the demo.
#[derive(Parser)]
struct Args {
    /// This region's name.
    #[arg(long)]
    name: String,
    /// Where it listens; the control address listens 1000 ports higher too, and stays when the region refuses connections.
    #[arg(long)]
    listen: SocketAddr,
    /// A peer, as NAME=URL.
    #[arg(long)]
    peer: Vec<String>,
    /// The folder of its database; without one it is kept in memory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The secret with which the router signs; with it, unsigned writes are refused.
    #[arg(long)]
    origin_key: Option<String>,
    /// A dataset that is written only while the authority's lease holds.
    #[arg(long)]
    lease: Vec<String>,
    /// Where the data of all users and tenants is of whom nobody has told an owner: what there was before the router.
    #[arg(long)]
    first_home: Option<String>,
}

/// What every handler shares.
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) peers: Vec<(String, String)>,
    pub(crate) store: Store,
    pub(crate) faults: Faults,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let peers: HashMap<_, _> = args
        .peer
        .iter()
        .filter_map(|peer| peer.split_once('='))
        .map(|(name, url)| (name.to_owned(), url.trim_end_matches('/').to_owned()))
        .collect();
    let region = Arc::new(Region {
        store: Store::open(&args.name, args.data.as_deref())?.among(peers.keys().map(String::as_str)),
        faults: Faults::default(),
        peers: peers.into_iter().collect(),
        name: args.name,
    });
    let mut settings = match &args.origin_key {
        Some(key) => Settings::with_key(&region.name, key)?,
        // A demo, on this machine alone.
        None => Settings::unsigned(&region.name),
    };
    if !args.lease.is_empty() {
        settings = settings.with_lease(move |unit: &Unit| args.lease.iter().any(|name| name == unit.as_str()));
    }
    if let Some(home) = &args.first_home {
        settings = settings.with_first_home(home);
    }
    let homing = Homing::new(settings, region.store.epochs()?, Arc::clone(&region));
    let routes = app::routes(&region, &homing);
    for (peer, url) in region.peers.clone() {
        tokio::spawn(replicate::follow(Arc::clone(&region), peer, url));
    }
    tokio::spawn(replicate::tend(Arc::clone(&region)));
    let control = SocketAddr::new(args.listen.ip(), args.listen.port() + 1000);
    tokio::spawn(serve(Arc::clone(&region), routes.clone(), TcpListener::bind(control).await?));
    let mut listener = Some(TcpListener::bind(args.listen).await?);
    println!("region {} listens on http://{}", region.name, args.listen);
    loop {
        // A region that refuses has no socket at all, so that connecting fails at once.
        if region.faults.mode() == Mode::Refuse {
            listener = None;
            region.faults.changed().await;
        } else if let Some(open) = &listener {
            tokio::select! {
                accepted = open.accept() => if let Ok((stream, _)) = accepted { connection(Arc::clone(&region), &routes, stream, Port::Application) },
                () = region.faults.changed() => {}
            }
        } else {
            listener = Some(TcpListener::bind(args.listen).await?);
        }
    }
}

async fn serve(region: Arc<Region>, routes: Router, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        connection(Arc::clone(&region), &routes, stream, Port::Control);
    }
}

/// Which of the two ports a connection came to.
#[derive(PartialEq)]
enum Port {
    Application,
    Control,
}

fn connection(region: Arc<Region>, routes: &Router, stream: tokio::net::TcpStream, port: Port) {
    let service = TowerToHyperService::new(routes.clone());
    tokio::spawn(async move {
        let io = TokioIo::new(stream);
        let served = hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades();
        // A region that begins to refuse drops the connections that it has.
        tokio::select! {
            _ = served => {}
            () = region.faults.refusing(), if port == Port::Application => {}
        }
    });
}
