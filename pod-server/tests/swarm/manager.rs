//! As much of a manager as tasks dial: the backend, and the routes for workers on an address that outlives a restart.

use std::{fs, net::TcpListener, path::Path, sync::Arc, thread, time::Duration};

use async_trait::async_trait;
use pod_backends::{
    docker::{DockerSettings, WorkerBinary},
    swarm::Swarm,
};
use pod_core::provisioner::{Backend, BackendContext, ProvisionError, Provisioner};
use pod_server::{
    serve::{LinkSlot, WithWorkerLink},
    worker_link::{WorkerLink, routes},
};
use tokio_util::sync::CancellationToken;

pub(crate) fn image() -> String {
    std::env::var("POD_TEST_IMAGE").expect("POD_TEST_IMAGE names an image of the engine; tests/run makes one")
}

pub(crate) fn swarm_host() -> String {
    std::env::var("POD_TEST_SWARM").expect("POD_TEST_SWARM names an engine that manages a swarm; tests/run starts one")
}

pub(crate) fn program() -> WorkerBinary {
    let arguments = ["--exact", "be_a_worker", "--ignored", "--nocapture"];
    WorkerBinary::of_this_process(&arguments).expect("this program's own file")
}

/// On the network of this machine, so that tasks reach loopback. The port is put in later.
pub(crate) fn settings() -> DockerSettings {
    DockerSettings {
        network: Some("host".to_owned()),
        manager: Some("http://127.0.0.1:1".to_owned()),
        ..DockerSettings::of_image(image())
    }
}

/// A backend whose tasks reach it. The next one for the same directory listens at the same address.
pub(crate) fn listening(dir: &Path, mut settings: DockerSettings) -> Box<dyn Backend> {
    let listener = listen(dir);
    if let Some(manager) = settings.manager.as_mut().filter(|manager| manager.contains("127.0.0.1")) {
        *manager = format!("http://{}", listener.local_addr().expect("an address"));
    }
    let swarm = Swarm::new(dir, settings, program()).expect("the settings are fine").of_engine(swarm_host());
    let gateway = swarm.gateway();
    let (backend, links) = WithWorkerLink::new(swarm);
    Box::new(Listening { backend, links, gateway, listener })
}

fn listen(dir: &Path) -> TcpListener {
    let remembered = dir.with_file_name("port");
    let port = fs::read_to_string(&remembered).map_or(0, |port| port.parse().expect("a port"));
    // The earlier one may need a moment to let it go.
    for _ in 0..500 {
        if let Ok(listener) = socket(port) {
            fs::create_dir_all(dir.parent().expect("a directory")).expect("a directory");
            let port = listener.local_addr().expect("an address").port();
            fs::write(remembered, port.to_string()).expect("a file");
            return listener;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the port {port} does not become free");
}

fn socket(port: u16) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[derive(Debug)]
struct Listening {
    backend: WithWorkerLink<Swarm>,
    links: LinkSlot,
    gateway: pod_backends::join_gateway::JoinGateway,
    listener: TcpListener,
}

#[async_trait]
impl Backend for Listening {
    async fn start(self: Box<Self>, context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        let link = WorkerLink { links: self.links, gateway: Some(self.gateway), shutdown: CancellationToken::new() };
        let listener = tokio::net::TcpListener::from_std(self.listener).expect("a listener");
        let shutdown = context.shutdown.clone();
        tokio::spawn(async move {
            let serving = axum::serve(listener, routes(link)).into_future();
            shutdown.run_until_cancelled(serving).await;
        });
        Box::new(self.backend).start(context).await
    }
}
