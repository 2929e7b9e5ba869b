//! Tags from canned data.

use stepfleet_sdk::api::tag_service_server::TagService;
use stepfleet_sdk::api::*;
use stepfleet_sdk::tonic::{self, Request};

use super::{Answer, Canned, give};

#[tonic::async_trait]
impl TagService for Canned {
    async fn tag_resource(
        &self,
        request: Request<TagResourceRequest>,
    ) -> Answer<TagResourceResponse> {
        let request = request.into_inner();
        self.note(format!("tag {} {:?}", request.resource_arn, request.tags));
        give(TagResourceResponse {})
    }

    async fn untag_resource(
        &self,
        request: Request<UntagResourceRequest>,
    ) -> Answer<UntagResourceResponse> {
        let request = request.into_inner();
        self.note(format!(
            "untag {} {:?}",
            request.resource_arn, request.tag_keys
        ));
        give(UntagResourceResponse {})
    }

    async fn list_tags_for_resource(
        &self,
        request: Request<ListTagsForResourceRequest>,
    ) -> Answer<ListTagsForResourceResponse> {
        let tag = |key: &str, value: &str| Tag {
            key: key.into(),
            value: value.into(),
        };
        let tags = if request.into_inner().resource_arn.contains("activity") {
            Vec::new()
        } else {
            vec![tag("team", "blue"), tag("stage", "live")]
        };
        give(ListTagsForResourceResponse { tags })
    }
}
