// One connection of loopback that is kept: what a question costs is not what a connection costs.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace ringside::bench {

class HttpClient {
  public:
    explicit HttpClient(int port);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // The body of the answer, valid until the next call. Ends the program when the status is not a success.
    const std::string& get(const std::string& path);
    void post(const std::string& path, const std::string& body, const std::vector<std::string>& headers);
    // For a query string.
    std::string escaped(const std::string& text) const;

  private:
    struct Curl;
    void perform(const std::string& path);

    const std::string base_;
    std::unique_ptr<Curl> curl_;
    std::string body_;
};

}  // namespace ringside::bench
