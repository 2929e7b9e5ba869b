//! What SAM users write and what CDK synthesizes.

use crate::cli::deploy::testing::World;

#[tokio::test]
async fn placeholder() {
    let _world = World::start().await;
}
