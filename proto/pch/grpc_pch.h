/* Precompiled once per target that speaks gRPC. Kept out of the source folders so that no source includes it by hand:
 * every file still names what it needs and compiles with -Db_pch=false. */
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>
