/* Precompiled once per target that speaks gRPC. Kept out of the source folders so that no source includes it by hand:
 * every file still names what it needs and compiles with -Db_pch=false. */
#ifndef RINGSIDE_PROTO_PCH_GRPC_PCH_H_
#define RINGSIDE_PROTO_PCH_GRPC_PCH_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#endif  // RINGSIDE_PROTO_PCH_GRPC_PCH_H_
