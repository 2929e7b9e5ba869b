/**
 * The messages of the gRPC API, as generated from the .proto files.
 *
 * @module
 */
export * from "./gen/stepfleet/v1/access_pb.js";
export * from "./gen/stepfleet/v1/activities_pb.js";
export * from "./gen/stepfleet/v1/admin_pb.js";
export * from "./gen/stepfleet/v1/executions_pb.js";
export * from "./gen/stepfleet/v1/fleet_pb.js";
export * from "./gen/stepfleet/v1/state_machines_pb.js";
export * from "./gen/stepfleet/v1/tags_pb.js";
export * from "./gen/stepfleet/v1/versions_pb.js";
export * from "./gen/stepfleet/v1/workers_pb.js";
