// What is asked over HTTP and what is answered.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/base/caller.h"

namespace ringside::agent {

struct HttpRequest {
    std::string method;
    std::string path;   // without the query, percent escapes resolved
    std::string query;  // what follows `?`, as it came
    std::string body = {};
    // Headers that something here asks for; "" where there is none.
    std::string content_type = {};
    std::string content_encoding = {};
    std::string authorization = {};
    std::string host = {};
    bool takes_gzip = false;
    bool keep_alive = false;
    bool takes_interim = false;  // answers of status 1xx before the one: HTTP/1.1
    // Over TCP whoever may connect (and shows the token, if there is one) is an operator.
    Caller caller = {.uid = 0, .is_operator = true};
};

struct HttpAnswer {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body = {};
    std::vector<std::pair<std::string, std::string>> headers = {};  // further ones
};

}  // namespace ringside::agent
