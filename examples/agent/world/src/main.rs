//! Serves until it is stopped.

use agent_world::World;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listen = std::env::var("WORLD_LISTEN");
    let world = World::open(listen.as_deref().unwrap_or("127.0.0.1:9090")).await?;
    println!("model and shop are ready at {}", world.url());
    std::future::pending().await
}
