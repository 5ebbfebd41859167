/* Precompiled once for the program: gRPC's and CLI11's headers cost seconds a file. Every file still names what it needs. */
#ifndef RINGSIDECTL_PCH_H
#define RINGSIDECTL_PCH_H

#include <CLI/CLI.hpp>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#endif
