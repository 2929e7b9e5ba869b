//! `TagService`.

use std::sync::Arc;

use stepfleet_proto::v1;
use stepfleet_proto::v1::tag_service_server::TagService;
use stepfleet_proto::v1::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, TagResourceRequest,
    TagResourceResponse, UntagResourceRequest, UntagResourceResponse,
};
use tonic::{Request, Response, Status};

use super::call::Call;
use crate::aws::input::check_arn;
use crate::aws::input::tags::{Tag, TagResourceInput, UntagResourceInput};
use crate::face::Face;
use crate::service::error::ApiError;

pub(super) struct Tags(pub(super) Arc<Face>);

#[tonic::async_trait]
impl TagService for Tags {
    async fn tag_resource(
        &self,
        request: Request<TagResourceRequest>,
    ) -> Result<Response<TagResourceResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "TagResource", request)?;
        let answer = tag(&call, message).await;
        call.finish(answer)
    }

    async fn untag_resource(
        &self,
        request: Request<UntagResourceRequest>,
    ) -> Result<Response<UntagResourceResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "UntagResource", request)?;
        let answer = untag(&call, message).await;
        call.finish(answer)
    }

    async fn list_tags_for_resource(
        &self,
        request: Request<ListTagsForResourceRequest>,
    ) -> Result<Response<ListTagsForResourceResponse>, Status> {
        let (call, message) = Call::begin(&self.0, "ListTagsForResource", request)?;
        let answer = list(&call, message);
        call.finish(answer)
    }
}

async fn tag(call: &Call, message: TagResourceRequest) -> Result<TagResourceResponse, ApiError> {
    let tag = |tag: v1::Tag| Tag {
        key: Some(tag.key),
        value: Some(tag.value),
    };
    let input = TagResourceInput {
        resource_arn: Some(message.resource_arn),
        tags: Some(message.tags.into_iter().map(tag).collect()),
    };
    let (arn, tags) = input.check()?;
    call.service().tag(&call.caller, &arn, &tags).await?;
    Ok(TagResourceResponse {})
}

async fn untag(
    call: &Call,
    message: UntagResourceRequest,
) -> Result<UntagResourceResponse, ApiError> {
    let input = UntagResourceInput {
        resource_arn: Some(message.resource_arn),
        tag_keys: Some(message.tag_keys),
    };
    let (arn, keys) = input.check()?;
    call.service().untag(&call.caller, &arn, &keys).await?;
    Ok(UntagResourceResponse {})
}

fn list(
    call: &Call,
    message: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, ApiError> {
    let arn = check_arn("resourceArn", Some(message.resource_arn))?;
    let tags = call.service().tags(&call.caller, &arn)?;
    let tag = |(key, value)| v1::Tag { key, value };
    Ok(ListTagsForResourceResponse {
        tags: tags.into_iter().map(tag).collect(),
    })
}
