// The gRPC services, each in a file of its own. `api` must outlive them.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <cstdint>
#include <memory>

#include "agent/api/call.h"
#include "agent/api/event_fan.h"

namespace ringside::agent {

std::unique_ptr<grpc::Service> make_vm_service(ApiContext& api);
std::unique_ptr<grpc::Service> make_series_service(ApiContext& api);
std::unique_ptr<grpc::Service> make_event_service(ApiContext& api, EventFan& fan);
std::unique_ptr<grpc::Service> make_admission_service(ApiContext& api);
std::unique_ptr<grpc::Service> make_audit_service(ApiContext& api);
std::unique_ptr<grpc::Service> make_status_service(ApiContext& api);
std::unique_ptr<grpc::Service> make_black_box_service(ApiContext& api);

// Messages are sent once they are about this large, and never reach 1 MiB: what goes in last is at most half as large.
inline constexpr std::size_t kMessageBytes = 384 * 1024;

}  // namespace ringside::agent
